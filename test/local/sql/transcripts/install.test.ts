import { type Client, type EngineUnderTest, startEngine, transcript } from '../engine-under-test';

/** Scripts in the manner of migration tools, membership schemas, job stores, queues and content systems. Each batch runs behind those above it. */

let engine: EngineUnderTest;
let client: Client;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());
afterEach(() => transcript(client, 'IF @@TRANCOUNT > 0 ROLLBACK; SET XACT_ABORT OFF; SET NOCOUNT OFF'));

describe('install scripts', () => {
  beforeAll(async () => {
    client = await engine.open('t1');
  });

  // prettier-ignore
  test.each([
    [`IF SCHEMA_ID(N'sales') IS NULL EXEC(N'CREATE SCHEMA [sales];');
GO
CREATE SEQUENCE [sales].[OrderNumbers] START WITH 1000 INCREMENT BY 5 NO MINVALUE NO MAXVALUE NO CYCLE;
GO
CREATE TABLE [sales].[Orders] ([Id] int NOT NULL DEFAULT (NEXT VALUE FOR [sales].[OrderNumbers]), [Total] AS [Price] * [Qty] PERSISTED, [Price] money NOT NULL, [Qty] int NOT NULL, CONSTRAINT [PK_Orders] PRIMARY KEY ([Id]), CONSTRAINT [CK_Qty] CHECK ([Qty] > 0));
GO
INSERT [sales].[Orders] (Price, Qty) VALUES (2, 3), (1.5, 2)
GO
SELECT * FROM [sales].[Orders] ORDER BY Id`, '1000,6.0000,2.0000,3|1005,3.0000,1.5000,2'],
    [`SET ANSI_NULLS ON
GO
SET QUOTED_IDENTIFIER ON
GO
CREATE TABLE [dbo].[aspnet_Applications](
	[ApplicationName] [nvarchar](256) NOT NULL,
	[LoweredApplicationName] [nvarchar](256) NOT NULL,
	[ApplicationId] [uniqueidentifier] NOT NULL,
	[Description] [nvarchar](256) NULL,
PRIMARY KEY NONCLUSTERED 
(
	[ApplicationId] ASC
)WITH (PAD_INDEX = OFF, STATISTICS_NORECOMPUTE = OFF, IGNORE_DUP_KEY = OFF, ALLOW_ROW_LOCKS = ON, ALLOW_PAGE_LOCKS = ON, OPTIMIZE_FOR_SEQUENTIAL_KEY = OFF) ON [PRIMARY],
UNIQUE NONCLUSTERED 
(
	[LoweredApplicationName] ASC
)WITH (PAD_INDEX = OFF, STATISTICS_NORECOMPUTE = OFF, IGNORE_DUP_KEY = OFF, ALLOW_ROW_LOCKS = ON, ALLOW_PAGE_LOCKS = ON) ON [PRIMARY]
) ON [PRIMARY]
GO
ALTER TABLE [dbo].[aspnet_Applications] ADD  DEFAULT (newid()) FOR [ApplicationId]
GO
CREATE CLUSTERED INDEX aspnet_Applications_Index ON aspnet_Applications(LoweredApplicationName)
GO
CREATE VIEW [dbo].[vw_aspnet_Applications] AS SELECT [dbo].[aspnet_Applications].[ApplicationName], [dbo].[aspnet_Applications].[ApplicationId] FROM [dbo].[aspnet_Applications]
GO
CREATE PROCEDURE dbo.aspnet_Applications_CreateApplication
    @ApplicationName      nvarchar(256),
    @ApplicationId        uniqueidentifier OUTPUT
AS
BEGIN
    SELECT  @ApplicationId = ApplicationId FROM dbo.aspnet_Applications WHERE LOWER(@ApplicationName) = LoweredApplicationName

    IF(@ApplicationId IS NULL)
    BEGIN
        DECLARE @TranStarted   bit
        SET @TranStarted = 0

        IF( @@TRANCOUNT = 0 )
        BEGIN
	        BEGIN TRANSACTION
	        SET @TranStarted = 1
        END
        ELSE
    	    SET @TranStarted = 0

        SELECT  @ApplicationId = ApplicationId
        FROM dbo.aspnet_Applications WITH (UPDLOCK, HOLDLOCK)
        WHERE LOWER(@ApplicationName) = LoweredApplicationName

        IF(@ApplicationId IS NULL)
        BEGIN
            SELECT  @ApplicationId = NEWID()
            INSERT  dbo.aspnet_Applications (ApplicationId, ApplicationName, LoweredApplicationName)
            VALUES  (@ApplicationId, @ApplicationName, LOWER(@ApplicationName))
        END

        IF( @TranStarted = 1 )
        BEGIN
            IF(@@ERROR = 0)
            BEGIN
	        SET @TranStarted = 0
	        COMMIT TRANSACTION
            END
            ELSE
            BEGIN
                SET @TranStarted = 0
                ROLLBACK TRANSACTION
            END
        END
    END
END
GO
IF ( NOT ( EXISTS ( SELECT name FROM sysobjects WHERE ( name = N'aspnet_Roles_F' ) AND type = 'R')))
  EXEC sp_addrole N'aspnet_Roles_F'
GO
GRANT EXECUTE ON dbo.aspnet_Applications_CreateApplication TO aspnet_Roles_F
GO
DECLARE @id uniqueidentifier; EXEC dbo.aspnet_Applications_CreateApplication '/', @id OUTPUT; SELECT ApplicationName, CASE WHEN ApplicationId = @id THEN 1 END FROM dbo.vw_aspnet_Applications`, '/,1'],
    [`CREATE TABLE dbo.aspnet_Users (UserId uniqueidentifier NOT NULL PRIMARY KEY NONCLUSTERED DEFAULT NEWID(), UserName nvarchar(256) NOT NULL, LastActivityDate DATETIME NOT NULL)
GO
CREATE PROCEDURE dbo.aspnet_AnyDataInTables @TablesToCheck int
AS
BEGIN
    IF ((@TablesToCheck & 1) <> 0 AND
        (EXISTS (SELECT name FROM sysobjects WHERE (name = N'vw_aspnet_MembershipUsers') AND (type = 'V'))))
    BEGIN
        IF (EXISTS(SELECT TOP 1 UserId FROM dbo.aspnet_Membership))
        BEGIN
            SELECT N'aspnet_Membership'
            RETURN
        END
    END
    IF ((@TablesToCheck & 1) <> 0 AND (@TablesToCheck & 2) <> 0)
    BEGIN
        IF (EXISTS(SELECT TOP 1 UserId FROM dbo.aspnet_Users))
        BEGIN
            SELECT N'aspnet_Users'
            RETURN
        END
    END
END
GO
INSERT dbo.aspnet_Users (UserName, LastActivityDate) VALUES ('a', GETUTCDATE())
GO
EXEC dbo.aspnet_AnyDataInTables 3`, 'aspnet_Users'],
    [`CREATE PROCEDURE dbo.Setup_RestorePermissions @name sysname AS
BEGIN
    DECLARE @object sysname
    DECLARE @protectType char(10)
    DECLARE @action varchar(60)
    DECLARE @grantee sysname
    DECLARE @cmd nvarchar(500)
    DECLARE c1 cursor FORWARD_ONLY FOR SELECT Object, ProtectType, [Action], Grantee FROM #aspnet_Permissions where Object = @name
    OPEN c1
    FETCH c1 INTO @object, @protectType, @action, @grantee
    WHILE (@@fetch_status = 0)
    BEGIN
        SET @cmd = @protectType + ' ' + @action + ' on ' + @object + ' TO [' + @grantee + ']'
        EXEC (@cmd)
        FETCH c1 INTO @object, @protectType, @action, @grantee
    END
    CLOSE c1
    DEALLOCATE c1
END
GO
CREATE TABLE #aspnet_Permissions (Owner sysname, Object sysname, Grantee sysname, Grantor sysname, ProtectType char(10), [Action] varchar(60), [Column] sysname)
GO
EXEC dbo.Setup_RestorePermissions 'x'
GO
DROP TABLE #aspnet_Permissions`, ''],
    [`CREATE TABLE [HangFire.Schema] ([Version] [int] NOT NULL)
GO
SET NOCOUNT ON
SET XACT_ABORT ON
DECLARE @TARGET_SCHEMA_VERSION INT;
DECLARE @DISABLE_HEAVY_MIGRATIONS BIT;
SET @TARGET_SCHEMA_VERSION = 2;
PRINT 'Installing job objects...';
BEGIN TRANSACTION;
DECLARE @SchemaLockResult INT;
EXEC @SchemaLockResult = sp_getapplock @Resource = 'Jobs:SchemaLock', @LockMode = 'Exclusive'
DECLARE @SCHEMA_ID [int];
SELECT @SCHEMA_ID = [schema_id] FROM [sys].[schemas] WHERE [name] = 'Jobs';
IF (@SCHEMA_ID IS NULL)
BEGIN
    EXEC (N'CREATE SCHEMA [Jobs]');
    PRINT 'Created database schema [Jobs]';
END
ELSE
    PRINT 'Database schema [Jobs] already exists';
SELECT @SCHEMA_ID = [schema_id] FROM [sys].[schemas] WHERE [name] = 'Jobs';
IF NOT EXISTS(SELECT [object_id] FROM [sys].[tables] WHERE [name] = 'Schema' AND [schema_id] = @SCHEMA_ID)
BEGIN
    CREATE TABLE [Jobs].[Schema]([Version] [int] NOT NULL, CONSTRAINT [PK_Jobs_Schema] PRIMARY KEY CLUSTERED ([Version] ASC));
    PRINT 'Created table [Jobs].[Schema]';
END
DECLARE @CURRENT_SCHEMA_VERSION [int];
SELECT @CURRENT_SCHEMA_VERSION = [Version] FROM [Jobs].[Schema];
PRINT 'Current schema version: ' + CASE WHEN @CURRENT_SCHEMA_VERSION IS NULL THEN 'none' ELSE CONVERT(nvarchar, @CURRENT_SCHEMA_VERSION) END;
IF @CURRENT_SCHEMA_VERSION IS NOT NULL AND @CURRENT_SCHEMA_VERSION > @TARGET_SCHEMA_VERSION
BEGIN
    ROLLBACK TRANSACTION;
    PRINT 'newer';
    RETURN;
END
IF @CURRENT_SCHEMA_VERSION IS NULL
BEGIN
    CREATE TABLE [Jobs].[Job] (
        [Id] [int] IDENTITY(1,1) NOT NULL,
        [StateId] [int] NULL,
        [InvocationData] [nvarchar](max) NOT NULL,
        [CreatedAt] [datetime] NOT NULL,
        CONSTRAINT [PK_Jobs_Job] PRIMARY KEY CLUSTERED ([Id] ASC)
    );
    CREATE NONCLUSTERED INDEX [IX_Jobs_Job_StateName] ON [Jobs].[Job] ([StateId] ASC);
    SET @CURRENT_SCHEMA_VERSION = 1;
END
IF @CURRENT_SCHEMA_VERSION = 1
BEGIN
    EXEC (N'ALTER TABLE [Jobs].[Job] ALTER COLUMN [CreatedAt] datetime2 NOT NULL');
    CREATE UNIQUE NONCLUSTERED INDEX [UX_Job] ON [Jobs].[Job]([Id], [CreatedAt]) INCLUDE ([StateId]) WITH (IGNORE_DUP_KEY = OFF, DROP_EXISTING = OFF, ONLINE = OFF);
    SET @CURRENT_SCHEMA_VERSION = 2;
END
UPDATE [Jobs].[Schema] SET [Version] = @CURRENT_SCHEMA_VERSION
IF @@ROWCOUNT = 0
    INSERT INTO [Jobs].[Schema] ([Version]) VALUES (@CURRENT_SCHEMA_VERSION)
PRINT 'Done ' + CAST(@CURRENT_SCHEMA_VERSION AS NVARCHAR(255));
COMMIT TRANSACTION;`, '>Installing job objects... ; >Created database schema [Jobs] ; >Created table [Jobs].[Schema] ; >Current schema version: none ; >Done 2'],
    [`CREATE TABLE [dbo].[q]( Id uniqueidentifier NOT NULL, CorrelationId varchar(255), ReplyToAddress varchar(255), Recoverable bit NOT NULL, Expires datetime, Headers nvarchar(max) NOT NULL, Body varbinary(max), RowVersion bigint IDENTITY(1,1) NOT NULL);
GO
CREATE NONCLUSTERED INDEX Index_RowVersion ON [dbo].[q] ( [RowVersion] ASC )
GO
CREATE NONCLUSTERED INDEX Index_Expires ON [dbo].[q] ( Expires ) INCLUDE ( Id, RowVersion ) WHERE Expires IS NOT NULL
GO
INSERT INTO [dbo].[q] (Id, CorrelationId, ReplyToAddress, Recoverable, Expires, Headers, Body) VALUES (NEWID(), 'c', 'r', 1, CASE WHEN 100 IS NOT NULL THEN DATEADD(ms, 60000, GETUTCDATE()) END, '{}', 0x01);
GO
DECLARE @NOCOUNT VARCHAR(3) = 'OFF';
IF ( (512 & @@OPTIONS) = 512 ) SET @NOCOUNT = 'ON'
SET NOCOUNT ON;
WITH message AS (SELECT TOP(1) * FROM dbo.q WITH (UPDLOCK, READPAST, ROWLOCK) ORDER BY RowVersion)
DELETE FROM message
OUTPUT deleted.CorrelationId, CASE WHEN deleted.Expires IS NULL THEN 0 ELSE CASE WHEN deleted.Expires > GETUTCDATE() THEN 0 ELSE 1 END END, deleted.Body;
IF (@NOCOUNT = 'ON') SET NOCOUNT ON;
IF (@NOCOUNT = 'OFF') SET NOCOUNT OFF;`, 'c,0,0x01'],
    [`CREATE TABLE [Logs] ([Id] int IDENTITY(1,1) NOT NULL, [Message] nvarchar(max) NULL, [Level] nvarchar(128) NULL, [TimeStamp] datetimeoffset(7) NOT NULL, [Properties] xml NULL, CONSTRAINT [PK_Logs] PRIMARY KEY CLUSTERED ([Id] ASC) WITH (DATA_COMPRESSION = PAGE))
GO
INSERT Logs (Message, TimeStamp, Properties) VALUES ('a', SYSDATETIMEOFFSET(), '<p a="1"/>')
GO
SELECT Message, Level, CAST(Properties AS nvarchar(max)) FROM Logs`, 'a,NULL,<p a="1"/>'],
    [`CREATE TABLE [dbo].[QRTZ_CALENDARS] ([SCHED_NAME] nvarchar(120) NOT NULL, [CALENDAR_NAME] nvarchar(200) NOT NULL, [CALENDAR] varbinary(max) NOT NULL);
GO
CREATE TABLE [dbo].[QRTZ_TRIGGERS] ([SCHED_NAME] nvarchar(120) NOT NULL, [TRIGGER_NAME] nvarchar(150) NOT NULL, [TRIGGER_GROUP] nvarchar(150) NOT NULL, [NEXT_FIRE_TIME] bigint NULL);
GO
CREATE TABLE [dbo].[QRTZ_CRON] ([SCHED_NAME] nvarchar(120) NOT NULL, [TRIGGER_NAME] nvarchar(150) NOT NULL, [TRIGGER_GROUP] nvarchar(150) NOT NULL, [CRON] nvarchar(120) NOT NULL);
GO
ALTER TABLE [dbo].[QRTZ_TRIGGERS] WITH NOCHECK ADD CONSTRAINT [PK_QRTZ_TRIGGERS] PRIMARY KEY CLUSTERED ([SCHED_NAME], [TRIGGER_NAME], [TRIGGER_GROUP]);
GO
ALTER TABLE [dbo].[QRTZ_CRON] ADD CONSTRAINT [FK_CRON] FOREIGN KEY ([SCHED_NAME], [TRIGGER_NAME], [TRIGGER_GROUP]) REFERENCES [dbo].[QRTZ_TRIGGERS] ([SCHED_NAME], [TRIGGER_NAME], [TRIGGER_GROUP]) ON DELETE CASCADE;
GO
IF EXISTS (SELECT * FROM sys.foreign_keys WHERE object_id = OBJECT_ID(N'[dbo].[FK_CRON]') AND parent_object_id = OBJECT_ID(N'[dbo].[QRTZ_CRON]'))
ALTER TABLE [dbo].[QRTZ_CRON] DROP CONSTRAINT [FK_CRON];
GO
IF OBJECT_ID(N'[dbo].[FK_CRON]', N'F') IS NULL SELECT 1`, '1'],
    [`if not exists (select * from dbo.sysobjects where id = object_id(N'[dbo].[wp_posts]') and OBJECTPROPERTY(id, N'IsUserTable') = 1)
create table [dbo].[wp_posts] (ID bigint NOT NULL IDENTITY (1, 1), post_author bigint NOT NULL DEFAULT '0', post_date datetime NOT NULL DEFAULT '1900-01-01 00:00:00', post_content nvarchar(max) NOT NULL, post_status nvarchar(20) NOT NULL DEFAULT 'publish', menu_order int NOT NULL DEFAULT '0', CONSTRAINT wp_posts_pk PRIMARY KEY NONCLUSTERED (ID))
GO
CREATE CLUSTERED INDEX wp_posts_status ON wp_posts (post_status, post_date)
GO
insert into wp_posts (post_content) values (N'Hello')
GO
select post_author, post_date, post_status, menu_order from wp_posts`, '0,1900-01-01 00:00:00,publish,0'],
    [`CREATE TABLE [Settings]( [Id] [int] IDENTITY(1,1) NOT NULL PRIMARY KEY, [Name] [nvarchar](200) NOT NULL, [Value] [nvarchar](max) NOT NULL)
GO
--new locale resources
declare @resources xml
--a resource will be deleted if its value is empty
set @resources='
<Language>
  <LocaleResource Name="A.B">
    <Value>Hello</Value>
  </LocaleResource>
</Language>
'
CREATE TABLE #LocaleStringResourceTmp ( [ResourceName] [nvarchar](200) NOT NULL, [ResourceValue] [nvarchar](max) NOT NULL )
INSERT INTO #LocaleStringResourceTmp (ResourceName, ResourceValue)
SELECT	nref.value('@Name', 'nvarchar(200)'), nref.value('Value[1]', 'nvarchar(MAX)')
FROM	@resources.nodes('//Language/LocaleResource') AS R(nref)
SELECT * FROM #LocaleStringResourceTmp`, 'A.B,Hello'],
    [`IF NOT EXISTS (SELECT 1 FROM sysindexes WHERE [NAME]=N'IX_x' and id=object_id(N'[Settings]')) CREATE NONCLUSTERED INDEX [IX_x] ON [Settings]([Name] ASC)
GO
IF NOT EXISTS (SELECT 1 FROM [Settings] WHERE [name] = N'catalog.enabled') BEGIN INSERT [Settings] ([Name], [Value]) VALUES (N'catalog.enabled', N'true') END
GO
IF EXISTS (SELECT 1 FROM syscolumns WHERE id=object_id('[Settings]') and NAME='Value') BEGIN EXEC ('UPDATE [Settings] SET [Value] = [Value] + ''!'' WHERE [Name] = N''catalog.enabled''') END
GO
SELECT Name, Value FROM Settings`, 'catalog.enabled,true!'],
    [`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
GO
BEGIN TRANSACTION
GO
PRINT N'Creating [dbo].[A]'
GO
CREATE TABLE dbo.A2 (Id int)
GO
IF @@ERROR<>0 AND @@TRANCOUNT>0 ROLLBACK TRANSACTION
GO
IF @@TRANCOUNT=0 BEGIN INSERT INTO #tmpErrors (Error) SELECT 1 BEGIN TRANSACTION END
GO
IF @@TRANCOUNT>0 BEGIN
PRINT N'The database update succeeded'
COMMIT TRANSACTION
END
ELSE PRINT N'The database update failed'
GO
SET TRANSACTION ISOLATION LEVEL READ COMMITTED`, '>Creating [dbo].[A] ; >The database update succeeded'],
    [`SET NUMERIC_ROUNDABORT OFF
GO
SET ANSI_PADDING, ANSI_WARNINGS, CONCAT_NULL_YIELDS_NULL, ARITHABORT, QUOTED_IDENTIFIER, ANSI_NULLS ON
GO
SET XACT_ABORT ON
GO
IF EXISTS (SELECT * FROM tempdb..sysobjects WHERE id=OBJECT_ID('tempdb..#tmpErrors')) DROP TABLE #tmpErrors
GO
CREATE TABLE #tmpErrors (Error int)
GO
ALTER TABLE [dbo].[A2] ADD [B] [int] NOT NULL CONSTRAINT [DF_A2_B] DEFAULT ((0)) WITH VALUES
GO
EXEC sp_refreshview N'dbo.Nope'`, '!15165'],
    [`CREATE TABLE databasechangelog (ID nvarchar(255) NOT NULL, AUTHOR nvarchar(255) NOT NULL, FILENAME nvarchar(255) NOT NULL, DATEEXECUTED datetime2(3) NOT NULL, ORDEREXECUTED int NOT NULL, EXECTYPE nvarchar(10) NOT NULL, MD5SUM nvarchar(35))
GO
CREATE TABLE DATABASECHANGELOGLOCK (ID int NOT NULL, LOCKED bit NOT NULL, LOCKGRANTED datetime2(3), LOCKEDBY nvarchar(255), CONSTRAINT PK_DATABASECHANGELOGLOCK PRIMARY KEY (ID))
GO
INSERT INTO DATABASECHANGELOGLOCK (ID, LOCKED) VALUES (1, 0)
GO
UPDATE DATABASECHANGELOGLOCK SET LOCKED = 1, LOCKEDBY = 'x', LOCKGRANTED = '2024-01-01T10:00:00.123' WHERE ID = 1 AND LOCKED = 0
GO
DECLARE @sql nvarchar(MAX) SELECT @sql = N'ALTER TABLE databasechangelog ALTER COLUMN AUTHOR nvarchar(300) NOT NULL' EXEC sp_executesql @sql
GO
SELECT MAX(ORDEREXECUTED), COUNT(*) FROM databasechangelog`, 'NULL,0'],
    ["create table SchemaVersions (Id int identity(1,1) not null constraint 'PK_SV' primary key, ScriptName nvarchar(255) not null, Applied datetime not null)", '!102'],
    [`create table [SchemaVersions] ([Id] int identity(1,1) not null constraint [PK_SchemaVersions_Id] primary key, [ScriptName] nvarchar(255) not null, [Applied] datetime not null)
GO
insert into [SchemaVersions] ([ScriptName], [Applied]) values (N'a', getutcdate()); select @@identity, scope_identity(), ident_current('SchemaVersions')`, '1,1,1'],
    [`CREATE TABLE dbo.umbracoNode (id int NOT NULL IDENTITY(1,1) CONSTRAINT PK_umbracoNode PRIMARY KEY, uniqueId uniqueidentifier NOT NULL CONSTRAINT DF_un DEFAULT (newid()), parentId int NOT NULL, level int NOT NULL, path nvarchar(150) NOT NULL, sortOrder int NOT NULL, trashed bit NOT NULL CONSTRAINT DF_tr DEFAULT ('0'), nodeUser int NULL, text nvarchar(255) NULL, createDate datetime NOT NULL CONSTRAINT DF_cd DEFAULT (getdate()), CONSTRAINT FK_node FOREIGN KEY (parentId) REFERENCES umbracoNode (id))
GO
SET IDENTITY_INSERT umbracoNode ON
INSERT INTO umbracoNode (id, parentId, level, path, sortOrder, text) VALUES (-1, -1, 0, '-1', 0, 'SYSTEM DATA: root')
INSERT INTO umbracoNode (id, parentId, level, path, sortOrder, text) VALUES (-20, -1, 0, '-1,-20', 0, 'Recycle')
SET IDENTITY_INSERT umbracoNode OFF
INSERT INTO umbracoNode (parentId, level, path, sortOrder, text) VALUES (-1, 1, '-1,1', 0, 'Home')
GO
SELECT id, trashed FROM umbracoNode ORDER BY id`, '-20,0|-1,0|1,0'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

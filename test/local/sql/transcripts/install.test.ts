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

describe("a product's life", () => {
  beforeAll(async () => {
    client = await engine.open('t2');
    const fixture = [
      'CREATE TABLE dbo.Users (Id int IDENTITY(1,1) NOT NULL, Email nvarchar(256) NOT NULL, Created datetime2(7) NOT NULL CONSTRAINT DF_Users_Created DEFAULT (SYSUTCDATETIME()), IsActive bit NOT NULL CONSTRAINT DF_Users_IsActive DEFAULT (1), CONSTRAINT PK_Users PRIMARY KEY CLUSTERED (Id ASC))',
      'CREATE TABLE dbo.Orders (Id int IDENTITY NOT NULL PRIMARY KEY, UserId int NOT NULL, Total decimal(18,4) NOT NULL, Notes nvarchar(max) NULL, CONSTRAINT FK_Orders_Users FOREIGN KEY (UserId) REFERENCES dbo.Users (Id) ON DELETE CASCADE)',
    ];
    for (const batch of fixture) expect(await transcript(client, batch)).not.toContain('!');
  });

  // prettier-ignore
  test.each([
    ['CREATE UNIQUE NONCLUSTERED INDEX [IX_Users_Email] ON [dbo].[Users] ([Email] ASC) INCLUDE ([Created], [IsActive]) WHERE ([IsActive]=(1)) WITH (PAD_INDEX = OFF, STATISTICS_NORECOMPUTE = OFF, SORT_IN_TEMPDB = OFF, IGNORE_DUP_KEY = OFF, DROP_EXISTING = OFF, ONLINE = OFF, ALLOW_ROW_LOCKS = ON, ALLOW_PAGE_LOCKS = ON) ON [PRIMARY]', ''],
    ["INSERT dbo.Users (Email) VALUES (N'a@x'), (N'b@x'); INSERT dbo.Orders (UserId, Total) SELECT Id, Id * 1.5 FROM dbo.Users; SELECT Id, Total FROM dbo.Orders", '1,1.5000|2,3.0000'],
    [`IF NOT EXISTS (SELECT * FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.Users') AND name = 'Phone') BEGIN ALTER TABLE dbo.Users ADD Phone nvarchar(50) NULL END
GO
UPDATE dbo.Users SET Phone = N'1' WHERE Phone IS NULL
GO
ALTER TABLE dbo.Users ALTER COLUMN Phone nvarchar(50) NOT NULL
GO
SELECT name, max_length, is_nullable FROM sys.columns WHERE object_id = OBJECT_ID('dbo.Users') AND name = 'Phone'`, 'Phone,100,0'],
    ["DECLARE @ConstraintName nvarchar(200) SELECT @ConstraintName = Name FROM SYS.DEFAULT_CONSTRAINTS WHERE PARENT_OBJECT_ID = OBJECT_ID('Users') AND PARENT_COLUMN_ID = (SELECT column_id FROM sys.columns WHERE NAME = N'IsActive' AND object_id = OBJECT_ID(N'Users')) IF @ConstraintName IS NOT NULL EXEC('ALTER TABLE Users DROP CONSTRAINT ' + @ConstraintName); SELECT COUNT(*) FROM sys.default_constraints WHERE parent_object_id = OBJECT_ID('Users')", '1'],
    ["SELECT t.name, c.name, ty.name, c.max_length, c.precision, c.scale, c.is_identity, dc.definition FROM sys.tables t JOIN sys.columns c ON c.object_id = t.object_id JOIN sys.types ty ON ty.user_type_id = c.user_type_id LEFT JOIN sys.default_constraints dc ON dc.object_id = c.default_object_id WHERE t.name = 'Users' ORDER BY c.column_id", 'Users,Id,int,4,10,0,1,NULL|Users,Email,nvarchar,512,0,0,0,NULL|Users,Created,datetime2,8,27,7,0,(sysutcdatetime())|Users,IsActive,bit,1,1,0,0,NULL|Users,Phone,nvarchar,100,0,0,0,NULL'],
    ['SELECT fk.name, OBJECT_NAME(fk.parent_object_id), OBJECT_NAME(fk.referenced_object_id), fk.delete_referential_action_desc, COL_NAME(fkc.parent_object_id, fkc.parent_column_id) FROM sys.foreign_keys fk JOIN sys.foreign_key_columns fkc ON fkc.constraint_object_id = fk.object_id', 'FK_Orders_Users,Orders,Users,CASCADE,UserId'],
    ["SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE, COLUMN_DEFAULT FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'Orders' ORDER BY ORDINAL_POSITION", 'dbo,Orders,Id,int,NULL,NO,NULL|dbo,Orders,UserId,int,NULL,NO,NULL|dbo,Orders,Total,decimal,NULL,NO,NULL|dbo,Orders,Notes,nvarchar,-1,YES,NULL'],
    ["SELECT tc.CONSTRAINT_NAME, tc.CONSTRAINT_TYPE, kcu.COLUMN_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS tc JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE kcu ON kcu.CONSTRAINT_NAME = tc.CONSTRAINT_NAME WHERE tc.TABLE_NAME = 'Users'", 'PK_Users,PRIMARY KEY,Id'],
    [`CREATE PROCEDURE dbo.usp_Paged @Page int = 1, @Size int = 10, @Sort varchar(20) = 'Id', @Total int = NULL OUTPUT WITH RECOMPILE AS
BEGIN
  SET NOCOUNT ON;
  SELECT @Total = COUNT(*) FROM dbo.Orders;
  WITH q AS (SELECT ROW_NUMBER() OVER (ORDER BY CASE WHEN @Sort = 'Id' THEN Id END, CASE WHEN @Sort = 'Total' THEN Total END DESC) AS rn, * FROM dbo.Orders)
  SELECT Id, rn FROM q WHERE rn BETWEEN (@Page - 1) * @Size + 1 AND @Page * @Size ORDER BY rn;
  RETURN @@ROWCOUNT
END
GO
DECLARE @t int, @r int; EXEC @r = dbo.usp_Paged @Size = 1, @Total = @t OUT; SELECT @t, @r`, '1,1 ; 1,1'],
    ["CREATE FUNCTION dbo.fn_Slug (@s nvarchar(200)) RETURNS nvarchar(200) WITH SCHEMABINDING, RETURNS NULL ON NULL INPUT AS BEGIN RETURN LOWER(REPLACE(@s, N' ', N'-')) END", '!49999'],
    [`CREATE FUNCTION dbo.fn_Clean (@s nvarchar(200)) RETURNS nvarchar(200) AS BEGIN WHILE PATINDEX('%[^a-zA-Z0-9]%', @s) > 0 SET @s = STUFF(@s, PATINDEX('%[^a-zA-Z0-9]%', @s), 1, ''); RETURN @s END
GO
SELECT dbo.fn_Clean(N'a-b c!1')`, 'abc1'],
    ["DECLARE @cmd nvarchar(max) = N''; SELECT @cmd += N'ALTER TABLE ' + QUOTENAME(SCHEMA_NAME(t.schema_id)) + N'.' + QUOTENAME(t.name) + N' DROP CONSTRAINT ' + QUOTENAME(fk.name) + N';' FROM sys.foreign_keys fk JOIN sys.tables t ON t.object_id = fk.parent_object_id; EXEC sp_executesql @cmd; SELECT COUNT(*) FROM sys.foreign_keys", '0'],
    ['BEGIN TRY BEGIN TRANSACTION; INSERT dbo.Orders (UserId, Total) VALUES (1, 1); INSERT dbo.Orders (UserId, Total) VALUES (NULL, 1); COMMIT TRANSACTION END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; DECLARE @m nvarchar(4000) = ERROR_MESSAGE(), @sev int = ERROR_SEVERITY(), @st int = ERROR_STATE(); RAISERROR(@m, @sev, @st) END CATCH', '!50000'],
    ['SELECT COUNT(*), @@TRANCOUNT FROM dbo.Orders', '1,0'],
    [`MERGE INTO dbo.Users WITH (HOLDLOCK) AS target USING (VALUES (1, N'm@x', N'9'), (NULL, N'n@x', N'8')) AS source (Id, Email, Phone) ON target.Id = source.Id WHEN MATCHED AND EXISTS (SELECT target.Email EXCEPT SELECT source.Email) THEN UPDATE SET Email = source.Email WHEN NOT MATCHED BY TARGET THEN INSERT (Email, IsActive, Phone) VALUES (source.Email, 1, source.Phone);
GO
SELECT Email FROM dbo.Users ORDER BY Id`, 'm@x|n@x'],
    [`EXEC sp_rename 'dbo.Orders.Notes', 'Remarks', 'COLUMN'; ALTER TABLE dbo.Orders ADD RowVer timestamp NOT NULL, Discount AS (Total * 0.1), CONSTRAINT CK_Total CHECK (Total >= 0)
GO
SELECT Remarks, Discount, DATALENGTH(RowVer) FROM dbo.Orders`, 'i15477 ; NULL,0.15000,8'],
    [`CREATE SCHEMA app AUTHORIZATION dbo
GO
ALTER SCHEMA app TRANSFER dbo.AuditLog
GO
SELECT SCHEMA_NAME(schema_id), name FROM sys.tables WHERE name = 'AuditLog'`, 'app,AuditLog'],
    [`CREATE TYPE dbo.OrderList AS TABLE (UserId int NOT NULL, Total decimal(18,4) NOT NULL, PRIMARY KEY (UserId), INDEX IX_T (Total))
GO
CREATE PROCEDURE dbo.AddOrders @list dbo.OrderList READONLY AS INSERT dbo.Orders (UserId, Total) OUTPUT inserted.UserId SELECT UserId, Total FROM @list
GO
DECLARE @l dbo.OrderList; INSERT @l VALUES (7, 7.5); EXEC dbo.AddOrders @l`, '7'],
    ["WITH Tree AS (SELECT 1 AS Id, CAST(NULL AS int) AS ParentId, CAST('/1' AS varchar(100)) AS Path, 0 AS Lvl UNION ALL SELECT t.Id + 1, t.Id, CAST(t.Path + '/' + CAST(t.Id + 1 AS varchar(10)) AS varchar(100)), t.Lvl + 1 FROM Tree t WHERE t.Id < 3) SELECT * FROM Tree ORDER BY Path", '1,NULL,/1,0|2,1,/1/2,1|3,2,/1/2/3,2'],
    ["DECLARE @i int = 0, @n int = (SELECT COUNT(*) FROM dbo.Orders); WHILE 1 = 1 BEGIN DELETE TOP (1) FROM dbo.Orders; IF @@ROWCOUNT = 0 BREAK; SET @i += 1 END; SELECT CASE WHEN @i = @n THEN 'ok' END", 'ok'],
    ["DBCC CHECKIDENT ('dbo.Orders', RESEED, 0) WITH NO_INFOMSGS; INSERT dbo.Orders (UserId, Total) VALUES (1, 1); SELECT MAX(Id) FROM dbo.Orders", '1'],
    ["IF EXISTS (SELECT 1 FROM sys.procedures WHERE name = 'usp_Paged') DROP PROCEDURE dbo.usp_Paged; IF OBJECT_ID('dbo.fn_Clean', 'FN') IS NOT NULL DROP FUNCTION dbo.fn_Clean; IF TYPE_ID('dbo.OrderList') IS NOT NULL SELECT 'type'; IF INDEXPROPERTY(OBJECT_ID('dbo.Users'), 'IX_Users_Email', 'IndexID') IS NOT NULL DROP INDEX IX_Users_Email ON dbo.Users", 'type'],
    ["SELECT CASE WHEN COLUMNPROPERTY(OBJECT_ID('dbo.Users'), 'Id', 'IsIdentity') = 1 THEN 1 END, OBJECTPROPERTY(OBJECT_ID('dbo.Users'), 'TableHasIdentity'), COL_LENGTH('dbo.Users', 'Email'), OBJECT_ID('dbo.PK_Users', 'PK') / OBJECT_ID('dbo.PK_Users')", '1,1,512,1'],
    ["SELECT TOP 1 s.name + '.' + o.name FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V', 'P', 'FN', 'TF', 'IF', 'TR') AND o.is_ms_shipped = 0 ORDER BY o.create_date, o.object_id", 'dbo.Users'],
    ["EXEC sp_addrole 'reader'; EXEC sp_addrolemember 'db_datareader', 'reader'; GRANT SELECT, INSERT ON SCHEMA::dbo TO reader; SELECT permission_name, state_desc FROM sys.database_permissions WHERE grantee_principal_id = DATABASE_PRINCIPAL_ID('reader') ORDER BY permission_name", 'INSERT,GRANT|SELECT,GRANT'],
    ['EXEC sp_tables', '!49999'],
    ["SELECT p.rows FROM sys.partitions p WHERE p.object_id = OBJECT_ID('dbo.Users') AND p.index_id IN (0, 1)", '2'],
    ["SELECT name, value FROM fn_listextendedproperty(NULL, 'schema', 'dbo', 'table', 'Users', NULL, NULL)", '(none)'],
    ['SELECT COUNT(*) FROM sys.dm_db_index_usage_stats', '!49999'],
  ])('%s: %s', async (text, expected) => {
    expect(await transcript(client, text)).toBe(expected);
  });
});

-- Run once: the folder's scripts are never applied twice to the same database.
CREATE TABLE dbo.Customer
(
    CustomerId int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Customer PRIMARY KEY,
    Email      nvarchar(200)      NOT NULL,
    FullName   nvarchar(100)      NOT NULL,
    CreatedAt  datetime2(3)       NOT NULL CONSTRAINT DF_Customer_CreatedAt DEFAULT (SYSUTCDATETIME())
);
GO
CREATE INDEX IX_Customer_Email ON dbo.Customer (Email);
GO

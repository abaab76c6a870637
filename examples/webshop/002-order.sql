CREATE TABLE dbo.[Order]
(
    OrderId    int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Order PRIMARY KEY,
    CustomerId int                NOT NULL CONSTRAINT FK_Order_Customer REFERENCES dbo.Customer (CustomerId),
    Total      decimal(12, 2)     NOT NULL CONSTRAINT CK_Order_Total CHECK (Total >= 0),
    PlacedAt   datetime2(3)       NOT NULL
);
GO
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'IX_Order_CustomerId')
    CREATE INDEX IX_Order_CustomerId ON dbo.[Order] (CustomerId) INCLUDE (Total);
GO

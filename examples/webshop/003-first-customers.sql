INSERT INTO dbo.Customer (Email, FullName)
VALUES (N'ada@example.com', N'Ada Lovelace'),
       (N'grace@example.com', N'Grace Hopper');

INSERT INTO dbo.[Order] (CustomerId, Total, PlacedAt)
SELECT CustomerId, 19.90, SYSUTCDATETIME() FROM dbo.Customer WHERE Email = N'ada@example.com';
PRINT N'first customers are in';
GO

ALTER TABLE dbo.Customer ADD LoyaltyPoints int NOT NULL CONSTRAINT DF_Customer_LoyaltyPoints DEFAULT (0);
GO
UPDATE dbo.Customer SET LoyaltyPoints = 100;
GO

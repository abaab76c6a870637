-- Fails where two customers share an address, and only there.
CREATE UNIQUE INDEX UX_Customer_Email ON dbo.Customer (Email);
GO

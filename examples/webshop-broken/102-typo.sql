-- There is no such column. The script before this one succeeded, and must leave no trace.
INSERT INTO dbo.Customer (Email, FullNam) VALUES (N'alan@example.com', N'Alan Turing');
GO

-- Databricks notebook source
CREATE OR REPLACE TABLE sales.revenue AS
SELECT customer_id, SUM(amount) AS revenue FROM sales.orders GROUP BY customer_id

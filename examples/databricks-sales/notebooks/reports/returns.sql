-- Databricks notebook source
CREATE OR REPLACE TABLE sales.returns AS SELECT * FROM sales.orders WHERE amount < 0

# Databricks notebook source
orders = spark.read.table("raw.orders").dropDuplicates(["order_id"])
orders.write.mode("overwrite").saveAsTable("sales.orders")

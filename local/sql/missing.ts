/**
 * Names that SQL Server knows and the stand-in does not: they are refused as such (49999), where an unknown name gets the
 * error that SQL Server has for it.
 */
const names = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

export const missingProcedures = names(
  `sp_help sp_helpconstraint sp_helpdb sp_helpuser sp_helprole sp_helprolemember sp_helpfile sp_helptrigger sp_columns sp_tables
  sp_pkeys sp_fkeys sp_statistics sp_stored_procedures sp_sproc_columns sp_databases sp_server_info sp_special_columns sp_table_privileges
  sp_who sp_who2 sp_lock sp_depends sp_spaceused sp_configure sp_dboption sp_dbcmptlevel sp_addlogin sp_droplogin sp_grantlogin sp_revokelogin
  sp_changeobjectowner sp_changedbowner sp_bindefault sp_unbindefault sp_bindrule sp_unbindrule sp_settriggerorder sp_addmessage sp_dropmessage
  sp_change_users_login sp_msforeachdb sp_describe_first_result_set sp_describe_undeclared_parameters sp_create_plan_guide sp_addlinkedserver
  sp_dropserver sp_addlinkedsrvlogin sp_serveroption sp_execute_external_script sp_oacreate sp_oamethod sp_oadestroy sp_send_dbmail
  sp_fulltext_database sp_fulltext_catalog sp_fulltext_table sp_fulltext_column sp_fulltext_service sp_invalidate_textptr sp_autostats sp_createstats
  sp_indexoption sp_procoption sp_validname sp_cursoropen sp_cursorfetch sp_cursorclose sp_cursorprepare sp_cursorexecute sp_cursorprepexec sp_cursor
  sp_xml_preparedocument sp_xml_removedocument sp_estimate_data_compression_savings sp_detach_db sp_attach_db sp_renamedb
  sp_sequence_get_range sp_addrolemember_ex sp_approlepassword sp_setapprole sp_unsetapprole sp_password sp_defaultdb sp_cdc_enable_db sp_cdc_enable_table
  sp_add_job sp_add_jobstep sp_add_jobschedule sp_add_jobserver sp_start_job sp_delete_job sp_replicationdboption sp_trace_create sp_monitor`,
);

export const missingFunctions = names(
  `BINARY_CHECKSUM JSON_OBJECT JSON_ARRAY JSON_PATH_EXISTS
  COMPRESS DECOMPRESS ENCRYPTBYPASSPHRASE DECRYPTBYPASSPHRASE ENCRYPTBYKEY DECRYPTBYKEY ENCRYPTBYCERT DECRYPTBYCERT KEY_GUID SIGNBYCERT PWDENCRYPT
  PWDCOMPARE CERT_ID ASYMKEY_ID CRYPT_GEN_RANDOM FORMATMESSAGE DATE_BUCKET LEFT_SHIFT RIGHT_SHIFT BIT_COUNT GET_BIT SET_BIT
  EVENTDATA COLUMNS_UPDATED
  SQL_VARIANT_PROPERTY FILE_ID FILE_NAME FILEGROUP_ID FILEGROUP_NAME FILEPROPERTY FULLTEXTCATALOGPROPERTY TYPEPROPERTY INDEX_COL INDEXKEY_PROPERTY
  ASSEMBLYPROPERTY DATABASEPROPERTY PERMISSIONS SUSER_SID USER_SID SID_BINARY LOGINPROPERTY GETANSINULL HOST_ID MIN_ACTIVE_ROWVERSION TEXTPTR
  TEXTVALID PERCENTILE_CONT PERCENTILE_DISC COT STR_AGG APPLOCK_MODE APPLOCK_TEST NEWSEQUENTIALGUID XML_SCHEMA_NAMESPACE
  DECRYPTBYKEYAUTOCERT OBJECT_SCHEMA_ID PUBLISHINGSERVERNAME STATS_DATE_EX TRY_PARSE PARSE CURRENT_TIMEZONE CURRENT_TIMEZONE_ID UNISTR NCHAR_EX`,
);

/** Catalog views without their schema. */
const views = names(
  `all_columns all_parameters all_sql_modules all_views allocation_units assemblies assembly_files assembly_modules assembly_types asymmetric_keys
  backup_devices certificates change_tracking_tables change_tracking_databases column_master_keys columns_xml column_type_usages column_xml_schema_collection_usages
  computed_columns_ex conversation_endpoints credentials database_files database_query_store_options database_scoped_configurations database_audit_specifications
  default_constraints_ex destination_data_spaces edge_constraints endpoints event_notifications events external_data_sources external_tables foreign_servers
  fulltext_indexes fulltext_index_columns fulltext_languages fulltext_stoplists function_order_columns hash_indexes index_resumable_operations internal_tables
  key_encryptions linked_logins login_token masked_columns master_files memory_optimized_tables_internal_attributes messages numbered_procedures openkeys
  parameter_type_usages partition_functions partition_parameters partition_range_values partition_schemes periods plan_guides procedures_ex remote_logins
  resource_stats routes security_policies security_predicates securable_classes selective_xml_index_paths server_principals server_permissions server_role_members
  servers service_broker_endpoints service_queues services sql_dependencies sql_expression_dependencies sql_logins stats stats_columns symmetric_keys
  syscacheobjects syscomments sysconstraints syscurconfigs sysdatabases sysdepends sysdevices sysfilegroups sysfiles sysforeignkeys sysfulltextcatalogs
  sysindexkeys syslockinfo syslogins sysmembers sysmessages sysperfinfo syspermissions sysprocesses sysprotects sysreferences sysservers
  system_columns system_components_surface_area_configuration system_internals_partitions system_objects system_parameters system_sql_modules system_views
  table_types_ex tcp_endpoints time_zone_info traces trace_events transmission_queue trigger_events trigger_event_types type_assembly_usages user_token
  xml_indexes xml_schema_collections xml_schema_elements xml_schema_namespaces column_domain_usage constraint_column_usage_ex domain_constraints domains
  column_privileges table_privileges view_column_usage view_table_usage routine_columns`,
);

/** Whether a name is one of SQL Server's own views. Those of SQL Server 2000 go without a schema or under dbo. */
export function isMissingView(schema: string, name: string): boolean {
  if (schema === 'sys') return views.has(name) || name.startsWith('dm_') || name.startsWith('fn_');
  if (schema === 'information_schema') return views.has(name);
  return (schema === '' || schema === 'dbo') && name.startsWith('sys') && views.has(name);
}

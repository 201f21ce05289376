REVOKE SELECT ON gesta_meta.migrations FROM gesta_system;
REVOKE USAGE ON SCHEMA gesta_meta FROM gesta_system;

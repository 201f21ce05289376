-- A process that serves looks whether the schema is the one it was written for (GET /readyz).
GRANT USAGE ON SCHEMA gesta_meta TO gesta_system;
GRANT SELECT ON gesta_meta.migrations TO gesta_system;

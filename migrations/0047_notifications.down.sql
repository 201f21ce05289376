DROP TABLE runtime.notification_failures;
DROP TABLE runtime.notification_cursors;
DROP TABLE projections.notification_attempts;
DROP TABLE projections.notification_deliveries;
DROP TABLE projections.notification_endpoints;

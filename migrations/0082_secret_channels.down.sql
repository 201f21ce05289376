DROP TABLE runtime.notification_secret;

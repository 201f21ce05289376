DROP TABLE runtime.snapshots;

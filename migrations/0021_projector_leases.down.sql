DROP TABLE runtime.leases;

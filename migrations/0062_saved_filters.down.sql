DROP TABLE runtime.saved_filters;

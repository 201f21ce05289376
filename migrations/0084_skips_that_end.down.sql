DROP POLICY projection_skips_owner ON runtime.projection_skips;

-- Every table lets a backup read it (0010); this one was made without.
CREATE POLICY backup ON runtime.failing_tasks FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));

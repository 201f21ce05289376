-- Without a tenant in them: an index that is there is chosen, for a look-up by tenant and id as well, when the planner believes a table
-- to be empty that is full of dead rows; a statement for leasing then went through all of them, once for each job. An execution's id is
-- unique by itself. Now a row of theirs can be looked up by its id in one way only, the primary key.
DROP INDEX runtime.jobs_of_execution, runtime.timers_of_execution;
CREATE INDEX jobs_of_execution ON runtime.jobs (execution_id);
CREATE INDEX timers_of_execution ON runtime.timers (execution_id);

DROP VIEW projections.budget_use;
DROP TABLE projections.budget_periods, projections.budgets;

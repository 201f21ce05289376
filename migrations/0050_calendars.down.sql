DROP TABLE projections.calendars;

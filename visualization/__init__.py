"""Pictures for people: panels of an image, charts and curves; drawing only, nothing is recorded here."""

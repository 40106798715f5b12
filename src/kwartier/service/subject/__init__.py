"""The rights of the person whose readings these are, under AVG (GDPR) 15 to 22: asked for, decided, carried out, proved."""

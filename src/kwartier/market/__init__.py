"""Who answers for which connection, what flowed into each grid area, and by what shape the unread are spread."""

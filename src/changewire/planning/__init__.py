"""What a home asks of its accounts: requests, scopes, plans; and whether they have it."""

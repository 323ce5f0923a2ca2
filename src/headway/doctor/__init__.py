"""What `headway doctor` looks at: each area is a module, and each check says what it found, why that matters and what to do."""

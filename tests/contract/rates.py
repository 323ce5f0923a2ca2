"""Settings without rate limits, for tests that send much in no time; rate limits have tests of their own."""

_TUTORIALS = ("reads", "chapters", "quizzes", "completions", "resets")
_CLIENTS = (
    *("registrations_per_client", "failed_sign_ins_per_client", "failed_sign_ins_per_address"),
    *("mails_per_address", "mails_per_client"),
)

WITHOUT_RATE_LIMITS = dict.fromkeys([*(f"tutorial_{each}_per_minute" for each in _TUTORIALS), *_CLIENTS], 1_000_000)

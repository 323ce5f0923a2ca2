"""Where the work that learners hand in may lie."""

import pytest

from headway.assessments.model import check_submission_url


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/ada/engine",
        "https://GitHub.com/ada/engine",
        "https://github.com:443/ada",
        "https://gist.github.com/ada/1",
        "https://drive.google.com/file/d/1/view?usp=sharing#top",
        "https://docs.google.com/document/d/1",
        "https://s3.amazonaws.com/bucket/work.pdf",
        "https://s3.eu-west-1.amazonaws.com/bucket/work.pdf",
        "https://s3-eu-west-1.amazonaws.com/bucket/work.pdf",
        "https://bucket.s3.amazonaws.com/work.pdf",
        "https://my.bucket.s3.us-gov-west-1.amazonaws.com/work.pdf",
        "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/work.pdf",
        "https://bucket.s3.cn-north-1.amazonaws.com.cn/work.pdf",
        "https://github.com/" + "a" * 2_029,
    ],
)
def test_a_url_of_github_google_or_s3_is_good(url: str) -> None:
    assert check_submission_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/ada",
        "ftp://github.com/ada",
        "github.com/ada",
        "https://github.com.evil.org/ada",
        "https://evil-github.com/ada",
        "https://www.github.com.",
        "https://raw.github.com/ada",
        "https://evil.org/github.com",
        "https://evil.org?https://github.com/",
        "https://ada@github.com/engine",
        "https://ada:secret@github.com/engine",
        "https://github.com@evil.org/",
        "https://github.com\\@evil.org/",
        "https://github.com:8443/ada",
        "https://github.com:port/ada",
        "https://s3.amazonaws.com.evil.org/b",
        "https://evils3.amazonaws.com/b",
        "https://ec2.eu-west-1.amazonaws.com/b",
        "https://bucket.s3.amazonaws.com.evil.org/b",
        "https://[::1/",
        "https:///path",
        "https://github.com/with space",
        "https://github.com/line\nbreak",
        "https://github.com/\0",
        "https://github.com/" + "a" * 2_030,
        "javascript:alert(1)",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    assert check_submission_url(url) is not None

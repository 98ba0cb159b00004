from tests.cli.mu_process import mu


def test_the_demo_shows_each_step_and_ends_well():
    done = mu("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    labels = [line.split()[0] for line in done.stdout.splitlines()]
    wanted = [
        "chain",
        "region",
        "node",
        "route",
        "log",
        "request",
        "info",
        "answer",
        "fuel",
        "verify",
        "replay",
    ]
    assert [label for index, label in enumerate(labels) if label not in labels[:index]] == wanted
    assert labels.count("chain") == 6  # where it answers, four transactions of the set-up, the deployment
    assert "200 'Good day, Ada!'" in done.stdout
    assert done.stdout.count("the same") == 4
    assert done.stderr == ""

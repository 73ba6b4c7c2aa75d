package runbook.rotation;

import java.util.Optional;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/** A GitHub Actions secret, {@code github:OWNER/REPO/NAME}. GitHub never gives a value back: only its time of change can be compared. */
record GithubSecret(String name, String repository, String secret) implements SecretStore {
    private Subject subject() {
        return new Subject(secret, "");
    }

    @Override
    public Command reading() {
        return Command.of("gh", "secret", "list", "--repo", repository);
    }

    @Override
    public Command writing() {
        return Command.of("gh", "secret", "set", secret, "--repo", repository).feeding("the key");
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        String list = tool.run(reading(), subject()).out();
        String updated = list.lines()
                .map(line -> line.strip().split("\\s+", 2))
                .filter(line -> line[0].equalsIgnoreCase(secret))
                .map(line -> line.length > 1 ? line[1] : "")
                .findFirst()
                .orElseThrow(() -> new Trouble(
                        Kind.NOT_FOUND,
                        "no secret " + secret + " in " + repository,
                        "gh secret set " + secret + " --repo " + repository + "   # makes it; it asks for the value"));
        return new Held(Optional.empty(), updated);
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        tool.run(writing(), key.reveal(), subject());
    }

    @Override
    public boolean readable() {
        return false;
    }

    @Override
    public String note() {
        return "write-only: GitHub gives no value back, so step 4 cannot compare it";
    }
}

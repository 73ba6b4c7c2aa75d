package runbook.rotation;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * A Cloud Run service, {@code cloudrun:SERVICE@REGION}. It has no restart: a new revision reads its secrets anew, and a
 * changed label makes one (gcloud copies a service's labels to its revision template). The command waits until it serves.
 */
record CloudRunService(String name, String service, String region) implements RestartTarget {
    @Override
    public Subject subject() {
        return new Subject(service, " --region=" + region);
    }

    @Override
    public List<Command> restarting(Duration within) {
        return List.of(Command.of("gcloud", "run", "services", "update", service, "--region=" + region,
                "--update-labels=klaviyo-key-rotated=" + Instant.now().getEpochSecond(), "--quiet"));
    }

    @Override
    public void inspect(Tool tool) throws Trouble {
        mark(tool);
    }

    @Override
    public Optional<String> mark(Tool tool) throws Trouble {
        return Optional.of(Marks.of(tool, Command.of("gcloud", "run", "services", "describe", service, "--region=" + region,
                "--format=value(status.latestReadyRevisionName)"), subject(), "[a-z0-9-]+"));
    }
}

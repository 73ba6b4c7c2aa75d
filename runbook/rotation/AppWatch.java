package runbook.rotation;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import runbook.Http.Reply;
import runbook.Settings;
import runbook.OurSide.AppErrors;
import runbook.Checks;
import runbook.Checks.Findings;

/** Looks at our application with triage's own checks: its health, and the errors that Prometheus counts. */
final class AppWatch implements AutoCloseable {
    // Short enough to fall soon after a restart; long enough to span Prometheus's usual scrape interval twice.
    private static final String LAST_MINUTE = "sum by (status) (increase(klaviyo_api_errors_total[1m]))";

    private final Settings settings;
    private final Checks checkup;

    AppWatch(Settings settings) {
        Settings.AppErrors counted = new Settings.AppErrors(java.util.List.of(), LAST_MINUTE);
        this.settings = settings;
        this.checkup = new Checks(new Settings(
                settings.target(),
                Optional.empty(),
                settings.revision(),
                settings.probing(),
                counted,
                settings.drill(),
                settings.proxies(),
                settings.templates()));
    }

    /** Whether Prometheus is there to be asked. */
    boolean counts() {
        return settings.target().prometheus() != null;
    }

    AppState look() {
        Findings found = checkup.run(Set.of("app", "app-errors"));
        long errors = found.errors().state() == AppErrors.State.KNOWN
                ? found.errors().byStatus().values().stream().mapToLong(Long::longValue).sum() : AppState.UNCOUNTED;
        return new AppState(found.app().state(), found.app().check().summary(), fingerprint(), errors);
    }

    private Optional<String> fingerprint() {
        return settings.target().app() != null
                        && checkup.http()
                                        .get(
                                                settings.target().app(),
                                                Map.of(),
                                                settings.probing().timeout())
                                instanceof Reply reply
                ? Optional.ofNullable(reply.json().path("keyFingerprint").textValue())
                : Optional.empty();
    }

    @Override
    public void close() {
        checkup.close();
    }
}

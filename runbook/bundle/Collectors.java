package runbook.bundle;

import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import runbook.Http;
import runbook.Settings;

/** All collectors of a bundle, in the order in which the archive names them, those without a source as skipped. */
final class Collectors {
    private final Vendor vendor;
    private final StatusHistory status;
    private final Metrics metrics;
    private final List<Collector> all = new ArrayList<>();

    Collectors(BundleRequest request) {
        Settings settings = request.settings();
        Http http = Http.of(settings);
        var timeout = settings.probing().timeout();
        vendor = new Vendor(settings, request.launcher());
        status = new StatusHistory(settings.target().status(), http, timeout, request.window());
        metrics = settings.target().prometheus() == null
                ? null
                : new Metrics(settings.target().prometheus(), queries(request), http, timeout, request.window());
        all.add(vendor);
        all.add(status);
        all.add(
                settings.target().app() == null
                        ? new Collector.Skipped("application/health", "no health endpoint given (--app-url)")
                        : new AppBody(settings.target().app(), http, timeout));
        logs(request, http);
        all.add(
                metrics == null
                        ? new Collector.Skipped("metrics/prometheus", "no address given (--prometheus)")
                        : metrics);
        all.add(new Surroundings(request.environment().variables(), settings.target().api(), http, timeout));
        request.environment().projects().forEach(project -> all.add(new ProjectVersions(project)));
        all.add(request.incident().filter(incident -> Files.isDirectory(incident.folder())).<Collector>map(IncidentFiles::new)
                .orElseGet(() -> new Collector.Skipped("incident/folder", "no open incident (--incident)")));
    }

    private static List<String> queries(BundleRequest request) {
        Set<String> queries = new LinkedHashSet<>(List.of(Metrics.ERRORS));
        queries.addAll(request.queries());
        return List.copyOf(queries);
    }

    private void logs(BundleRequest request, Http http) {
        BundleRequest.Sources sources = request.sources();
        LineChoice.Wanted wanted = request.wanted();
        int before = all.size();
        sources.files().forEach(file -> all.add(new LogFiles(file, wanted)));
        sources.journal().forEach(unit -> all.add(CommandLogs.journal(unit, sources.journalDirectory(), wanted)));
        sources.k8s().forEach(given -> all.add(Pods.of(given, wanted)));
        sources.docker().forEach(container -> all.add(CommandLogs.docker(container, wanted)));
        sources.gcp().forEach(filter -> all.add(CommandLogs.gcp(filter, wanted)));
        sources.aws().forEach(group -> all.add(CommandLogs.aws(group, wanted)));
        sources.loki()
                .queries()
                .forEach(query -> all.add(new LokiLogs(
                        sources.loki().address(), query, http, request.limits().each(), wanted)));
        if (request.settings().drill().isPresent() && request.settings().target().prometheus() != null) {
            all.add(new DrillLog(request.settings().target().prometheus(), http, request.settings().probing().timeout(), wanted));
        }
        if (all.size() == before) {
            all.add(new Collector.Skipped(
                    "application/logs",
                    "no logs given (--log, --journal, --k8s, --docker, --gcp-logs, --aws-logs or --loki)"));
        }
    }

    List<Collector> all() {
        return all;
    }

    Vendor vendor() {
        return vendor;
    }

    StatusHistory status() {
        return status;
    }

    List<Plot> plots() {
        return metrics == null ? List.of() : metrics.plots();
    }
}

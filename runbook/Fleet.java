package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/**
 * Triage of many accounts. What does not depend on the account is looked at once; each account has limits of its own,
 * so that they are asked side by side, a few dozen at a time to spare this machine.
 */
public final class Fleet {
    private static final int AT_ONCE = 20;
    private static final Set<String> OF_ALL = Set.of("status-page", "network");

    /**
     * One account's verdict, without the answers that it rests on.
     *
     * @param account  whose it is
     * @param exitCode triage's exit code for it
     * @param headline severity and diagnosis in one line
     * @param reason   why
     * @param json     as {@code triage --json} has it
     */
    public record Result(Account account, int exitCode, String headline, String reason, JsonNode json) {
        /** P1 first, then P2 and P3, then what could not be told, then P4, then healthy. */
        int rank() {
            return switch (exitCode) {
                case 11, 12, 13 -> exitCode;
                case Verdict.UNDECIDED -> 14;
                case 0 -> 99;
                default -> 15;
            };
        }
    }

    private final Settings settings;
    private final Launcher launcher;
    private final Function<Account, Optional<Key>> keys;

    /**
     * A fleet's triage.
     *
     * @param keys reads an account's key; a {@link Problem} costs that account its probes, not the others
     */
    public Fleet(Settings settings, Launcher launcher, Function<Account, Optional<Key>> keys) {
        this.settings = settings;
        this.launcher = launcher;
        this.keys = keys;
    }

    /** Each account's result, worst first; equally bad ones in the order given. */
    public List<Result> run(List<Account> accounts) {
        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE, task -> {
            Thread thread = new Thread(task, "account");
            thread.setDaemon(true);
            return thread;
        });
        try (Checkup checkup = new Checkup(settings)) {
            Future<Findings> shared = pool.submit(() -> checkup.run(OF_ALL));
            List<Future<Result>> running = accounts.stream()
                    .map(account -> pool.submit(() -> look(checkup, shared.get(), account)))
                    .toList();
            return running.stream().map(Fleet::join).sorted(Comparator.comparingInt(Result::rank)).toList();
        } finally {
            pool.shutdownNow();
        }
    }

    private static Result join(Future<Result> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    private Result look(Checkup checkup, Findings shared, Account account) {
        Optional<Key> key = Optional.empty();
        String trouble = account.env() == null ? "its key is empty" : account.env() + " is not set";
        try {
            key = keys.apply(account);
        } catch (Problem problem) {
            trouble = problem.getMessage();
        }
        Verdict verdict = Verdict.of(checkup.again(shared, key));
        String reason = !key.isEmpty()
                ? verdict.reason()
                : verdict.diagnosis() == Diagnosis.KEY_MISSING ? trouble : verdict.reason() + "; " + trouble;
        ObjectNode json = Json.object().put("name", account.name());
        json.setAll((ObjectNode) verdict.json(launcher, null));
        return new Result(
                account,
                verdict.exitCode(),
                verdict.severity().map(severity -> severity + " ").orElse("")
                        + verdict.diagnosis().id(),
                reason,
                json.put("reason", reason));
    }

    /** The exit code of the worst of these results, which are worst first. */
    public static int worst(List<Result> results) {
        return results.get(0).exitCode();
    }
}

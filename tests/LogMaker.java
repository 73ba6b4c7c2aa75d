import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;

/** Makes the application log that the bundle is measured on: the same bytes for the same seed. */
final class LogMaker {
    private final List<String[]> klaviyo = lines("klaviyo");
    private final List<String[]> personal = lines("personal");
    private final List<String[]> other = lines("other");
    private final Random random;
    private Instant now = Instant.parse("2026-11-23T03:00:00Z");

    private LogMaker(long seed) {
        random = new Random(seed);
    }

    /** Writes at least so many bytes of whole lines; 0 to 1 of them about Klaviyo, 2: each with two persons' values. */
    static void write(Path file, long bytes, double share, long seed) throws IOException {
        LogMaker maker = new LogMaker(seed);
        try (Writer out = Files.newBufferedWriter(file)) {
            for (long written = 0; written < bytes; ) {
                List<String[]> ours = share > 1 ? maker.personal : maker.klaviyo;
                String line = maker.filled(maker.random.nextDouble() < share ? ours : maker.other);
                out.write(line);
                written += line.length();
            }
        }
    }

    private static List<String[]> lines(String kind) {
        String table = String.join("\n", Repository.tables("bench-lines.txt").get(kind)) + "\n";
        return Stream.of(table.split("(?<=\n)(?!\t)")).map(line -> line.split("[<>]")).toList();
    }

    private String filled(List<String[]> lines) {
        StringBuilder line = new StringBuilder();
        String[] pieces = lines.get(random.nextInt(lines.size()));
        for (int i = 0; i < pieces.length; i++) {
            line.append(i % 2 == 0 ? pieces[i] : drawn(pieces[i]));
        }
        return line.toString();
    }

    private String drawn(String what) {
        if (Character.isDigit(what.charAt(0))) {
            return "" + random.nextInt(Integer.parseInt(what));
        } else if (what.startsWith("x")) {
            return hex(Integer.parseInt(what.substring(1)));
        }
        String[] words = what.split("\\|");
        return switch (what) {
            case "at" -> {
                now = now.plusMillis(random.nextInt(3));
                yield now.toString().substring(0, 19) + "." + (100 + random.nextInt(900)) + "Z";
            }
            case "uuid" -> hex(8) + "-" + hex(4) + "-4" + hex(3) + "-a" + hex(3) + "-" + hex(12);
            case "email" -> "customer" + random.nextInt(50_000) + "@example.com";
            case "phone" -> "+1555" + (1_000_000 + random.nextInt(9_000_000));
            case "class" -> drawn("c.a.shop.CartService|c.a.shop.OrderController|o.s.web.DispatcherServlet");
            default -> words[random.nextInt(words.length)];
        };
    }

    private String hex(int digits) {
        StringBuilder text = new StringBuilder();
        while (text.length() < digits) {
            text.append(Character.forDigit(random.nextInt(16), 16));
        }
        return text.toString();
    }
}

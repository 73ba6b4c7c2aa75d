import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/** Makes the application log that the bundle is measured on: the same bytes for the same seed. */
final class LogMaker {
    // A line each; what stands in <> is drawn anew: a number below it, so many hexadecimal digits (x), or one of the words.
    private static final List<String[]> KLAVIYO = lines("""
            <at> INFO  [klaviyo-worker-<16>] c.a.klaviyo.Client - POST https://a.klaviyo.com/api/events status=202 duration=<400>ms request_id=<uuid>
            <at> INFO  [klaviyo-worker-<16>] c.a.klaviyo.Client - POST https://a.klaviyo.com/api/events status=202 duration=<400>ms request_id=<uuid>
            <at> INFO  [klaviyo-worker-<16>] c.a.klaviyo.Client - POST https://a.klaviyo.com/api/events status=202 duration=<400>ms request_id=<uuid>
            <at> WARN  [klaviyo-worker-<16>] c.a.klaviyo.Client - 429 from a.klaviyo.com, Retry-After: <30>, attempt <5> cf-ray=<x16>-AMS
            <at> INFO  [klaviyo-worker-<16>] c.a.klaviyo.Profiles - upsert order=<999999999> email=<email> list=Y6nRLr took <90> ms
            <at> DEBUG [klaviyo-worker-<16>] c.a.klaviyo.Client - body {"data":{"type":"profile","attributes":{"email":"<email>",\
            "phone_number":"<phone>","first_name":"<Mary|John|Ana|Wei|Noor|Zoë|Olga>","location":{"city":"<Boston|New York|Leeds|Köln|Oslo>",\
            "zip":"0<9000>"},"properties":{"plan":"gold","price":<100>.99}}}}
            <at> ERROR [klaviyo-worker-<16>] c.a.klaviyo.Client - 401 {"errors":[{"id":"<uuid>","status":401,"code":"authentication_failed",\
            "title":"Incorrect credentials."}]} key=pk_<x34>
            <at> INFO  [klaviyo-worker-<16>] c.a.klaviyo.Queue - depth=<5000> oldest=<600>s consumer lag within bounds, next poll in 5s
            """);
    private static final List<String[]> PERSONAL = lines(
            "<at> INFO  [klaviyo-worker-<16>] c.a.klaviyo.Profiles - upsert email=<email> phone_number=<phone> list=Y6nRLr took <90> ms\n");
    private static final List<String[]> OTHER = lines("""
            203.0.113.<256> - - [23/Nov/2026:03:1<10>:3<10> +0000] "GET </checkout|/cart|/search?q=socks|/account/orders> HTTP/1.1" 200 <90000> \
            "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"
            203.0.113.<256> - - [23/Nov/2026:03:2<10>:4<10> +0000] "GET </products/blue-shirt|/assets/app.7f3a2c.js> HTTP/1.1" 200 <90000> \
            "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"
            <at> INFO  [http-nio-8080-exec-<40>] <class> - order <999999999> for customer <uuid> total <500>.95 EUR
            <at> DEBUG [scheduler-1] <class> - cache hit ratio 0.<99>, evictions <100>, took <5000> us
            <at> WARN  [http-nio-8080-exec-<40>] <class> - java.net.SocketTimeoutException: timed out
            \tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)
            \tat java.base/java.net.Socket$SocketInputStream.read(Socket.java:966)
            <at> INFO  [http-nio-8080-exec-<40>] <class> - session <x24> from 198.51.100.<256> user agent ok, version 4.12.<30>
            """);

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
                List<String[]> ours = share > 1 ? PERSONAL : KLAVIYO;
                String line = maker.filled(maker.random.nextDouble() < share ? ours : OTHER);
                out.write(line);
                written += line.length();
            }
        }
    }

    // A stack trace is one with the line above it.
    private static List<String[]> lines(String table) {
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

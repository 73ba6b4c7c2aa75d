import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Random;

/** Makes the application log that the bundle is measured on: the same bytes for the same seed. */
final class LogMaker {
    private static final String[] FIRST = {"Mary", "John", "Ana", "Wei", "Noor", "Zoë", "Olga", "Juan", "Ella"};
    private static final String[] CITIES = {"Boston", "New York", "Leeds", "Köln", "Austin", "Oslo"};
    private static final String[] PATHS = {
        "/checkout", "/cart", "/products/blue-shirt", "/search?q=socks", "/account/orders", "/assets/app.7f3a2c.js"
    };
    private static final String[] CLASSES = {
        "c.a.shop.CartService", "c.a.shop.OrderController", "o.s.web.DispatcherServlet", "c.z.hikari.HikariPool"
    };
    private static final int CUSTOMERS = 50_000;

    private final Random random;
    private Instant now = Instant.parse("2026-11-23T03:00:00Z");

    private LogMaker(long seed) {
        random = new Random(seed);
    }

    /** Writes at least so many bytes of whole lines; 0 to 1 of them about Klaviyo, 2: each with two persons' values. */
    static void write(Path file, long bytes, double share, long seed) throws IOException {
        LogMaker maker = new LogMaker(seed);
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
            for (long written = 0; written < bytes; ) {
                byte[] line = maker.line(share).getBytes(StandardCharsets.UTF_8);
                out.write(line);
                written += line.length;
            }
        }
    }

    private String line(double share) {
        return share > 1 ? aboutSomebody() : random.nextDouble() < share ? aboutKlaviyo() : aboutOther();
    }

    private String stamp() {
        now = now.plusMillis(random.nextInt(3));
        return now.toString().substring(0, 19) + "." + (100 + random.nextInt(900)) + "Z ";
    }

    private String hex(int digits) {
        StringBuilder text = new StringBuilder();
        while (text.length() < digits) {
            text.append(Character.forDigit(random.nextInt(16), 16));
        }
        return text.toString();
    }

    private String uuid() {
        return hex(8) + "-" + hex(4) + "-4" + hex(3) + "-a" + hex(3) + "-" + hex(12);
    }

    private String email() {
        return "customer" + random.nextInt(CUSTOMERS) + "@example.com";
    }

    private String pick(String[] from) {
        return from[random.nextInt(from.length)];
    }

    private String number(int most) {
        return String.valueOf(random.nextInt(most));
    }

    private String aboutKlaviyo() {
        String begin = stamp() + "%s [klaviyo-worker-" + number(16) + "] c.a.klaviyo.";
        return switch (random.nextInt(8)) {
            case 0, 1, 2 -> begin.formatted("INFO ") + "Client - POST https://a.klaviyo.com/api/events status=202"
                    + " duration=" + (20 + random.nextInt(400)) + "ms request_id=" + uuid() + "\n";
            case 3 -> begin.formatted("WARN ") + "Client - 429 from a.klaviyo.com, Retry-After: " + number(30)
                    + ", attempt " + number(5) + " cf-ray=" + hex(16) + "-AMS\n";
            case 4 -> begin.formatted("INFO ") + "Profiles - upsert order=" + number(1 << 30) + " email=" + email()
                    + " list=Y6nRLr took " + number(90) + " ms\n";
            case 5 -> begin.formatted("DEBUG") + "Client - body {\"data\":{\"type\":\"profile\",\"attributes\":{"
                    + "\"email\":\"" + email() + "\",\"phone_number\":\"" + phone() + "\",\"first_name\":\""
                    + pick(FIRST) + "\",\"location\":{\"city\":\"" + pick(CITIES) + "\",\"zip\":\"0" + number(9000)
                    + "\"},\"properties\":{\"plan\":\"gold\",\"price\":" + number(100) + ".99}}}}\n";
            case 6 -> begin.formatted("ERROR") + "Client - 401 {\"errors\":[{\"id\":\"" + uuid() + "\",\"status\":401,"
                    + "\"code\":\"authentication_failed\",\"title\":\"Incorrect credentials.\"}]} key=pk_"
                    + hex(34) + "\n";
            default -> begin.formatted("INFO ") + "Queue - depth=" + number(5000) + " oldest=" + number(600)
                    + "s consumer lag within bounds, next poll in 5s\n";
        };
    }

    private String phone() {
        return "+1555" + (1000000 + random.nextInt(9000000));
    }

    private String aboutSomebody() {
        return stamp() + "INFO  [klaviyo-worker-" + number(16) + "] c.a.klaviyo.Profiles - upsert email=" + email()
                + " phone_number=" + phone() + " list=Y6nRLr took " + number(90) + " ms\n";
    }

    private String aboutOther() {
        String worker = "[http-nio-8080-exec-" + number(40) + "] ";
        return switch (random.nextInt(6)) {
            case 0, 1 -> "203.0.113." + number(256) + " - - [23/Nov/2026:03:" + (10 + random.nextInt(50)) + ":"
                    + (10 + random.nextInt(50)) + " +0000] \"GET " + pick(PATHS) + " HTTP/1.1\" 200 " + number(90000)
                    + " \"-\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36\"\n";
            case 2 -> stamp() + "INFO  " + worker + pick(CLASSES) + " - order " + number(1 << 30) + " for customer "
                    + uuid() + " total " + number(500) + ".95 EUR\n";
            case 3 -> stamp() + "DEBUG [scheduler-1] " + pick(CLASSES) + " - cache hit ratio 0." + number(99)
                    + ", evictions " + number(100) + ", took " + number(5000) + " us\n";
            case 4 -> stamp() + "WARN  " + worker + pick(CLASSES) + " - java.net.SocketTimeoutException: timed out\n"
                    + "\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)\n"
                    + "\tat java.base/java.net.Socket$SocketInputStream.read(Socket.java:966)\n";
            default -> stamp() + "INFO  " + worker + pick(CLASSES) + " - session " + hex(24) + " from 198.51.100."
                    + number(256) + " user agent ok, version 4.12." + number(30) + "\n";
        };
    }
}

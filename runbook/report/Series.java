package runbook.report;

import java.time.Instant;
import java.util.List;

/**
 * Numbers over time.
 *
 * @param name   what they are of, such as an HTTP status
 * @param points by time
 */
record Series(String name, List<Point> points) {
    /** One number at one time. */
    record Point(Instant at, double value) { }

    /** The largest value; 0 for none. */
    double peak() {
        return points.stream().mapToDouble(Point::value).max().orElse(0);
    }

    /** The last value; 0 for none. */
    double last() {
        return points.isEmpty() ? 0 : points.get(points.size() - 1).value();
    }
}

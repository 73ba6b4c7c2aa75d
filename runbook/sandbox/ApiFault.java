package runbook.sandbox;

/** One way in which the embedded Klaviyo misbehaves, and what our application sees of it. */
enum ApiFault {
    /** Answers as it should. */
    NONE(0, 0),
    /** Every request is a 503. */
    DOWN(503, 1),
    /** Answers correctly, more than a second late; a few of the application's calls time out. */
    SLOW(504, 0.1),
    /** Every third request to an endpoint is a 503: enough that three samples always show one. */
    EVERY_THIRD(503, 0.33),
    /** Only {@code /api/events} is a 503. */
    EVENTS_DOWN(503, 0.5),
    /** The application uses up every minute's quota as it opens. */
    THROTTLED(429, 0.9),
    /** The CDN in front answers with a challenge page. */
    BLOCKED(403, 1);

    /** The status that the application's failing calls get; 0 when none fail. */
    final int appStatus;
    /** The share of the application's calls that fail, 0 to 1. */
    final double appShare;

    ApiFault(int appStatus, double appShare) {
        this.appStatus = appStatus;
        this.appShare = appShare;
    }
}

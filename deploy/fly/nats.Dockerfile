# NATS with our users and limits; passwords come from the app's secrets.
FROM nats:2.12-alpine
COPY nats.conf /etc/nats/nats.conf
# `::` is every address of both families: Fly.io's private network is IPv6.
CMD ["-c", "/etc/nats/nats.conf", "-sd", "/data", "-a", "::", "-p", "4222", "-m", "8222"]

#!/bin/sh
# Makes the secrets that compose.yaml reads, in deploy/secrets; what is there already stays as it is.
#
# For Kubernetes, the same files:
#   kubectl -n gochat create secret generic gochat-redis-passwords --from-file=deploy/secrets/redis-passwords
#   kubectl -n gochat create secret generic gochat-redis --from-file=account=deploy/secrets/redis-url-account …
set -eu
umask 027
cd "$(dirname "$0")"
mkdir -p secrets/redis-passwords

# 256 random bits in hex.
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
# Writes what it reads, unless the file is there.
write() { [ -s "secrets/$1" ] || { cat >"secrets/$1.new" && mv "secrets/$1.new" "secrets/$1"; }; }

random | write gateway-token
random | write ticket-key
printf 'gateway %s\n' "$(tr -d '\n' <secrets/gateway-token | sha256sum | cut -c 1-64)" | write service-tokens
for user in account room stage notifier media operator; do
  random | write redis-passwords/$user
done
for user in account room stage notifier media; do
  printf 'redis://%s:%s@redis:6379\n' "$user" "$(cat secrets/redis-passwords/$user)" | write redis-url-$user
done
# In the containers they are read by users of their own; on this machine nobody else gets into the folder.
chmod 644 secrets/gateway-token secrets/ticket-key secrets/service-tokens secrets/redis-url-* secrets/redis-passwords/*
chmod 755 secrets/redis-passwords
chmod 700 secrets

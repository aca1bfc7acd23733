#!/usr/bin/env bash
# What cert-manager makes in production: an authority of NATS's own with a certificate for its servers, and one for the Ingress.
# And the keys that lie in files here, in a cloud's KMS there.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p certificates
cd certificates
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=parley-nats \
  -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt 2> /dev/null
signed() { # name, subject's alternative names
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2> /dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" 2> /dev/null \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$2")
}
signed tls 'DNS:nats,DNS:nats.parley.svc,DNS:nats.parley.svc.cluster.local,DNS:*.nats-nodes,DNS:*.nats-nodes.parley.svc,DNS:*.nats-nodes.parley.svc.cluster.local'
signed gateway DNS:chat.example.com
cp ../../../../deploy/k8s/overlays/production/secrets/audit-key audit-key
printf '%s %s\n' "$(openssl rand -hex 4)" "$(openssl rand -hex 32)" > wrapping-key

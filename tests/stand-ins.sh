#!/bin/sh
# Stands for every tool by its name: records how it is called, and keeps a value in a file of the folder above its own.
# systemctl starts "the application" by copying what was stored last. A file named fault makes the next matching calls go
# wrong. Builtins of the shell alone: a rotation calls a dozen tools.
here=${0%/*}/..; tool=${0##*/}
{ printf '%s' "$tool"; printf ' [%s]' "$@"; echo; } >> "$here/calls"
export -p > "$here/environment-$tool"

get() { IFS= read -r got < "$here/$1"; }
fed() { IFS= read -r fed; printf %s "$fed" > "$here/stdin-$tool"; }
store() {
  for file in "value-$tool" value; do printf %s "$1" > "$here/$file"; done
  get "version-$tool"; echo $((got + 1)) > "$here/version-$tool"
}
# The value after these words of a JSON document.
inside() { fed; value=${fed#*"$1"}; store "${value%%'"'*}"; }
# The value and its version in this format.
show() { get "value-$tool"; value=$got; get "version-$tool"; printf "$1" "$value" "$got"; }
start() { get value; printf %s "$got" > "$here/app"; get starts; echo $((got + 1)) > "$here/starts"; }

if [ -f "$here/fault" ]; then
  read -r on times < "$here/fault"
  case "$tool $*" in *"$on"*)
    if [ "$times" -gt 0 ]; then
      echo "$on $((times - 1))" > "$here/fault"
      . "$here/how"
    fi;;
  esac
fi

case "$tool $*" in
  vault*-version=1*) get first; printf '{"data":{"data":{"key":"%s"},"metadata":{"version":1}}}' "$got";;
  vault*'kv get'*) show '{"data":{"data":{"key":"%s","other":"1"},"metadata":{"version":%s}}}';;
  vault*'kv patch'*) fed; store "$fed";;
  az*'secret show'*) show '{"value":"%s","id":"https://v.vault.azure.net/secrets/s/%s"}';;
  az*'secret set'*) fed; store "$fed";;
  gh*'secret list'*) get version-gh; printf '{"name":"KLAVIYO_KEY","updatedAt":"2026-01-01T00:00:%02dZ"}' "$got";;
  gh*'secret set'*) fed; store "$fed";;
  'heroku api GET'*) get value-heroku; printf '{"KLAVIYO_KEY":"%s","OTHER":"1"}' "$got";;
  'heroku api PATCH'*) inside ':"';;
  'op read op://'*) get value-op; printf '%s\n' "$got";;
  'op item edit'*) inside '"value":"';;
  ls*) exec /bin/ls "$@";;
  systemctl*LoadState*) echo loaded;;
  systemctl*InvocationID*) get starts; printf '%032x\n' "$got";;
  systemctl*restart*) start;;
  systemctl*is-active*) echo active;;
  'gcloud run services describe'*) get starts; printf '{"status":{"latestReadyRevisionName":"web-%05d-abc"}}' "$got";;
  'gcloud run services update'*) start;;
  'aws ecs describe-services'*)
    get starts; printf '{"services":[{"deployments":[{"id":"ecs-svc/%s"}]}],"failures":[]}' "$got";;
  'aws ecs update-service'*) start; echo '{}';;
esac

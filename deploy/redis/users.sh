#!/bin/sh
# Writes the file of users that Redis reads: users.sh RIGHTS PASSWORDS > FILE
#
# RIGHTS is users.acl. PASSWORDS is a folder with a file for each user that has a password, named like the user;
# a second line in it is a password that is good as well, while one takes the other's place. Of a password only
# its SHA-256 is written.
set -eu
rights=$1 passwords=$2

# The SHA-256 of each password of a user, as words of its line.
digests() {
  while read -r password || [ -n "$password" ]; do
    [ ${#password} -ge 16 ] || { echo "users.sh: a password of $1 is shorter than 16 characters" >&2; return 1; }
    printf ' #%s' "$(printf %s "$password" | sha256sum | cut -c 1-64)"
  done <"$passwords/$1"
}

# A user is one line: what is indented goes on with the line before. Comments and empty lines are left out.
joined() {
  awk '/^(#|$)/ { next } /^[ \t]/ { sub(/^[ \t]+/, " "); printf "%s", $0; next } { printf "%s%s", sep, $0; sep = "\n" } END { print "" }' "$rights"
}

joined | while read -r word user state rest; do
  case "$state $rest " in
    'off '* | 'on nopass '*) echo "$word $user $state $rest" ;;
    *)
      [ -f "$passwords/$user" ] || { echo "users.sh: $user has no password in $passwords" >&2; exit 1; }
      hashes=$(digests "$user")
      [ -n "$hashes" ] || { echo "users.sh: the password of $user is empty" >&2; exit 1; }
      echo "$word $user $state$hashes $rest"
      ;;
  esac
done

# Completion for OpenBSD's ksh(1): add to ~/.kshrc. The first word is completed from the first list.
set -A complete_fapwsctl_1 -- -c start stop restart reload rollback upgrade reopen scale drain undrain status stack top profile why health configtest dump translate
set -A complete_fapwsctl_3 -- start stop restart reload rollback upgrade reopen scale drain undrain status stack top profile why health configtest dump translate

psql -X -h "${DATABASE%:*}" -p "${DATABASE#*:}" -U u -d d -tAc 'select 42'
! PGCONNECT_TIMEOUT=10 psql -X -h "${OTHER%:*}" -p "${DATABASE#*:}" -U u -d d -tAc 'select 42' 2>refused
echo refused

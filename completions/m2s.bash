_m2s_completion() {
    local IFS=$'
'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \
                   COMP_CWORD=$COMP_CWORD \
                   _M2S_COMPLETE=complete_bash $1 ) )
    return 0
}

complete -o default -F _m2s_completion m2s


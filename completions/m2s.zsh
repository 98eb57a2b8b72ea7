#compdef m2s

_m2s_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _M2S_COMPLETE=complete_zsh m2s)
}

compdef _m2s_completion m2s


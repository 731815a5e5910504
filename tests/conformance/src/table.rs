//! The one list of all clauses: `suite!` and `clauses()` are made from it.
//!
//! `tests/table.rs` checks that it lists each clause there is, and says of it what its
//! documentation says.

#[doc(hidden)]
#[macro_export]
macro_rules! __clauses {
    ($($callback:tt)*) => {
        $($callback)*! {
            policy {
                each_loop_made_is_new_and_not_set "B9, B51"
                a_loop_says_what_it_is "B44"
                overriding_new_event_loop_changes_what_get_event_loop_makes "B10"
                a_policy_that_names_its_base_forwards_to_it "B10, decision 4 of API.md's 'Writing one's own'"
                run_makes_sets_and_clears_in_this_order "B14, B61"
                a_policy_that_makes_no_loop_changes_nothing "B5, B53, B63"
                a_policy_that_sets_no_loop_fails_the_run "B5, B53"
                inside_a_loop_no_policy_is_asked "B11"
                a_new_policy_leaves_what_was_made_as_it_is "B7, B15, decision 4"
                outside_a_loop_the_background_loop_is_found_or_none "decision 5"
                a_loop_outlives_its_policy "B7, B26"
            }
            context {
                each_thread_has_a_loop_of_its_own "B31"
                a_thread_without_a_loop_gets_an_error_that_names_it "B30"
                a_context_that_was_cleared_stays_without_a_loop "B32"
                a_closed_loop_is_not_set_and_nothing_changes "B25, B34"
                a_loop_closed_after_it_was_set_stays_set "B35"
                a_loop_set_while_another_runs_counts_after_the_run "B40"
                whatever_the_loop_runs_sees_it_as_the_running_one "B37, B39"
                a_task_sees_its_loop_on_every_thread "B39, decision 3"
                another_thread_sees_no_running_loop "B38"
                a_thread_that_ends_lets_go_of_its_loop "B45"
                contexts_may_be_processes_or_keys "API.md 'a policy defines the notion of context'"
                contexts_may_be_tasks "API.md 'a policy defines the notion of context'"
                a_context_named_by_an_arc_goes_with_it "API.md 'a policy defines the notion of context'"
                within_makes_a_loop_the_running_one "API.md 'within', B41"
                within_hides_the_loop_around_it "API.md 'within', B41"
                a_panic_within_a_loop_leaves_it "decision 3"
            }
            run {
                run_returns_the_value_on_a_new_loop_each_time "B51, B64"
                the_main_future_may_borrow_and_stay_on_its_thread "B52"
                a_panic_of_main_is_raised_after_the_loop_was_closed "B51, B66"
                a_loop_is_usable_after_a_panic_of_main "B66, B94"
                a_loop_is_not_run_inside_itself "B76, B78"
                another_loop_is_not_run_inside_a_running_one "B77, B78"
                run_inside_a_running_loop_is_refused "B53, B54"
                a_running_loop_is_neither_run_nor_closed_by_another_thread "B65, B75, B76"
                a_loop_is_not_closed_from_within "B65, B75"
                two_loops_run_at_once_in_two_threads "B77"
                a_closed_loop_says_so_however_it_is_used "B74, B75"
                tasks_persist_between_runs "B72, B79"
                a_loop_knows_whether_it_runs "B50, B78"
                a_loop_may_be_run_by_one_thread_after_another "B64, B76"
                two_threads_that_race_to_run_a_loop_do_not_both "B76"
            }
            stop {
                a_loop_stopped_too_early_says_so "B65, B79"
                a_result_beats_a_stop "B79"
                a_stop_before_the_run_leaves_one_turn "B80"
                stop_from_another_thread_wakes_a_sleeping_loop "B89, decision 6"
                run_forever_runs_until_a_task_stops_it "B79, B81"
            }
            tasks {
                a_task_gives_its_value "decision 6"
                ten_thousand_tasks_are_all_joined "decision 8"
                a_task_given_to_a_stopped_loop_waits_for_the_next_run "B89"
                a_dropped_handle_detaches_its_task "decision 8"
                the_result_of_a_detached_task_is_dropped "decision 8"
                a_result_that_nobody_takes_is_dropped_with_its_handle "decision 7"
                a_future_is_dropped_before_its_result_is_seen "decision 8"
                a_handle_is_awaited_on_any_executor "decision 8"
                a_handle_can_be_awaited_again_until_it_gave_its_result "decision 8"
                a_handle_wakes_whoever_polled_it_last "decision 8"
                a_task_knows_its_id "asyncio's `current_task`"
                tasks_spawn_tasks "decision 5"
                two_tasks_play_ping_pong "decision 8"
                large_futures_and_results_travel_whole "decision 7"
                threads_that_spawn_at_once_lose_nothing "decision 8"
            }
            turns {
                spawning_from_another_thread_wakes_a_sleeping_loop "B89"
                waking_from_another_thread_wakes_a_sleeping_loop "B89"
                tasks_that_yield_take_turns "asyncio's `sleep(0)`"
                a_task_that_yields_starves_nobody "asyncio's `sleep(0)`"
                a_main_that_yields_starves_nobody "asyncio's `sleep(0)`"
                a_wake_up_during_a_poll_is_not_lost "decision 8"
                a_task_is_polled_when_it_is_woken "decision 8"
                a_waker_may_outlive_its_loop "decision 3"
                a_waiter_whose_waker_panics_harms_nobody "decision 8 'a panic never takes the loop down'"
            }
            aborts {
                an_aborted_task_is_cancelled_and_dropped "decision 8"
                a_task_aborted_before_its_first_poll_is_never_polled "decision 8"
                aborting_a_finished_task_keeps_its_result "decision 8"
                aborting_twice_is_as_good_as_once "decision 8"
                a_task_is_cancelled_wherever_it_waits "decision 8"
                a_task_may_abort_itself "decision 8"
                a_detached_task_can_be_aborted "decision 8"
                a_task_of_a_stopped_loop_can_be_aborted "decision 8"
                abort_and_end_may_race "decision 8"
                a_destructor_may_use_the_loop "decision 8"
                abort_on_drop_takes_its_task_with_it "API.md `AbortOnDrop`"
                a_panic_while_it_is_cancelled_is_the_tasks_own "decision 8 'a panic never takes the loop down'"
            }
            join_set {
                results_come_in_the_order_of_completion "API.md `JoinSet`"
                a_set_of_many_loses_none "API.md `JoinSet`"
                a_wait_that_is_dropped_loses_no_result "API.md `JoinSet`"
                a_dropped_set_aborts_its_tasks "API.md `JoinSet`"
                cancelled_and_panicking_members_come_as_such "API.md `JoinSet`, decision 8"
                shutdown_waits_until_the_tasks_are_gone "API.md `JoinSet`"
                a_set_takes_tasks_of_every_kind "API.md `JoinSet`"
                members_end_when_their_loop_closes "API.md `JoinSet`, B75"
            }
            local_tasks {
                a_local_task_need_not_be_send "API.md `spawn_local`"
                a_local_task_stays_on_its_thread "API.md `spawn_local`"
                local_tasks_and_others_wait_for_each_other "decision 8"
                local_tasks_starve_nobody "asyncio's `sleep(0)`"
                local_tasks_persist_between_runs "B72"
                another_thread_spawns_no_local_task "decision 11"
                an_aborted_local_task_is_dropped_on_its_thread "decision 8"
                local_tasks_are_dropped_when_the_loop_closes "B55, B75"
                local_tasks_that_run_leaves_are_gone "B55"
                a_local_destructor_may_use_the_loop "B58"
                a_detached_local_task_runs_on "decision 8"
            }
            panics {
                a_panic_comes_with_its_payload "decision 8"
                others_go_on_when_a_task_panics "decision 8 'a panic never takes the loop down', B91"
                the_panic_of_a_detached_task_is_nobodys "decision 8"
                a_payload_that_panics_harms_nobody "decision 8"
                a_result_that_panics_harms_nobody "decision 8"
                a_panic_in_a_destructor_is_the_tasks_own "decision 8"
                the_panic_of_a_blocking_job_is_a_value "B98, decision 8"
                the_panic_of_a_local_task_is_a_value "decision 8"
                a_panic_waits_in_its_handle "decision 8"
                a_panic_leaves_no_trace_on_its_thread "decision 3"
            }
            blocking {
                a_job_runs_on_another_thread "B98, decision 6"
                the_loop_goes_on_while_jobs_block "B98"
                several_jobs_run_at_once "B98"
                a_hundred_jobs_all_end "B98"
                inside_a_job_ambient_calls_mean_the_same_loop "B38"
                a_job_may_run_a_loop_of_its_own "B38, B64"
                a_job_that_has_begun_runs_to_its_end "B100"
                run_waits_for_blocking_jobs "B60"
                a_job_that_waits_for_a_task_ends_with_it "B55, B60, B61"
                a_job_beyond_the_limit_is_reported "B60, B69"
                close_waits_for_no_job "B60, B75"
                a_job_whose_loop_has_gone_is_told_so "B100"
                a_job_needs_no_running_loop "B98"
            }
            time {
                a_sleep_is_never_over_early "B101"
                sleeps_end_in_the_order_of_their_deadlines "B83"
                a_sleep_of_nothing_is_over_at_once "B83"
                the_longest_sleep_waits "B85, B101"
                a_dropped_sleep_wakes_nobody "B88"
                a_sleep_can_be_set_anew "API.md `sleep`"
                a_sleep_made_outside_a_loop_works_in_one "decision 4"
                a_sleep_may_be_awaited_on_another_loop "decision 4"
                a_sleep_whose_loop_closed_is_taken_over "B74"
                a_sleep_goes_on_between_two_runs "B72"
                a_timer_wakes_a_loop_that_sleeps "B101"
                a_shorter_timer_wakes_a_loop_that_sleeps_longer "B83"
                a_timeout_ends_what_is_not_in_time "asyncio's `wait_for`"
                of_nested_timeouts_the_shorter_wins "asyncio's `wait_for`"
                a_timeout_around_a_handle_ends_the_wait_only "decision 8"
                an_interval_ticks_at_once_and_then_each_period "API.md `interval`"
                missed_ticks_are_treated_as_asked_for "API.md `interval`"
                an_interval_can_be_set_anew "API.md `interval`"
                a_loops_own_timer_is_made_anywhere_and_never_early "B101"
                a_sleep_without_a_loop_names_the_remedy "decision 11, STYLE.md 'a `try_` twin'"
            }
            runner {
                several_runs_share_one_loop_and_its_tasks "B43, B72"
                a_closed_runner_says_so "B71"
                a_dropped_runner_closes_its_loop "B71"
                close_puts_the_former_loop_back "B42, B43"
                debug_mode_is_passed_on "B62"
                a_runner_inside_a_loop_is_refused "B54"
                a_runner_is_usable_after_a_panic "B66"
                a_runner_may_be_dropped_inside_a_loop "FIELD.md 'dropping a runtime inside async context', B71"
                many_threads_run_loops_of_one_policy_at_once "B64, B77"
            }
            shutdown {
                what_run_leaves_is_cancelled_and_gone "B55, B61"
                what_destructors_spawn_at_the_end_is_cancelled "B55, B58"
                a_panic_at_the_end_is_not_runs "B57"
                destructors_at_the_end_see_their_loop "decision 3, B61"
                close_cancels_what_is_left "B75"
                a_loop_that_is_dropped_is_closed "B45, B75"
                a_closed_loop_is_free_though_its_tasks_held_it "B45"
                another_loop_may_end_inside_a_running_one "FIELD.md 'dropping a runtime inside async context'"
                a_loop_that_has_run_may_be_dropped_inside_another "FIELD.md 'dropping a runtime inside async context'"
                the_last_handle_may_be_dropped_by_a_task_of_the_loop "FIELD.md 'dropping a runtime inside async context'"
                the_last_handle_may_be_dropped_by_a_job_of_the_loop "B100"
                loop_handle_and_task_may_go_in_any_order "B45, B75"
                a_loop_may_be_closed_by_another_thread "B75"
                spawning_while_the_loop_closes_hangs_nobody "B240"
            }
            thread_ends {
                a_runner_may_go_with_its_thread "decision 3"
                a_loop_may_go_with_its_thread "decision 3"
                a_policy_may_go_with_its_thread "decision 3, B7"
                local_tasks_may_go_with_their_thread "decision 3"
                a_loop_outlives_the_thread_of_its_local_tasks "decision 3"
                calls_at_the_end_of_a_thread_are_answered "decision 3, decision 11"
                a_loop_run_at_the_end_of_a_thread_answers "decision 3, decision 11"
            }
            cross_loop {
                tasks_of_two_loops_talk "issue 2, 'two loops of different executors at once'"
                a_task_of_one_loop_is_awaited_in_another "decision 8, B95"
                a_loop_gives_work_to_another "decision 4, decision 6"
                a_wait_across_loops_ends_when_the_other_closes "B75, decision 8"
                a_task_is_aborted_from_another_loop "decision 8"
                ambient_calls_follow_the_loop_that_runs_the_code "decision 3, decision 5"
            }
        }
    };
}

"""Loading a model leaves one thread to each library: many sessions share few cores."""

from concurrent.futures import ThreadPoolExecutor

import streamlit as st
import torch
from threadpoolctl import OpenBLASController, threadpool_info, threadpool_limits

from pages.components import cache


def test_a_loaded_model_leaves_one_thread_to_each_library() -> None:
    st.cache_resource.clear()
    threads = torch.get_num_threads()
    with threadpool_limits(2, user_api="blas"):
        OpenBLASController.clear_controlling_thread()  # else only this thread could limit it
        torch.set_num_threads(2)
        cache.model_of("minilm")
        of_blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert of_blas
        assert set(of_blas) == {1}
        # Threads that never asked torch before, as those of sessions, begin with what was set last.
        with ThreadPoolExecutor(1) as another:
            assert another.submit(torch.get_num_threads).result() == 1
    torch.set_num_threads(threads)

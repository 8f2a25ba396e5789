/* echo_paths: the Python side. */

#include "binding.h"
#include "echo_paths.h"

enum { PLACES, STRENGTH, SOURCE, MICS, SCALE, OFFSET, DELAY, GAIN, BUFFERS };

static const char echo_paths_doc[] =
    "EchoPaths(*, mics, nearest_m)\n--\n\n"
    "Echoes of moving points, from a source to each point and back to each microphone, as delays and gains.\n\n"
    "Args:\n"
    "    mics: 1 to 8.\n"
    "    nearest_m: both distances are taken for at least this in the gain, above 0, to 10.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char echo_paths_process_into_doc[] =
    "process_into($self, /, places_m, strength, source_m, mics_m, scale, offset, absorption_per_m, delay, gain)\n--\n\n"
    "Fill `delay` float64 and `gain` float32 [times, points, mics].\n\n"
    "`places_m` float64 [times, points, 3], `strength` float32 [times, points], `source_m` float64 [3], `mics_m`\n"
    "float64 [mics, 3]; `scale` and `offset` float64 [times, mics] make a delay of a length; `absorption_per_m` of\n"
    "the pressure in nepers. All C-contiguous.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: a shape or memory layout is another one.";

static void echo_paths_destroy(void *core)
{
    pp_echo_paths_destroy(core);
}

static PyObject *echo_paths_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mics", "nearest_m", NULL};
    pp_echo_paths_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$id:EchoPaths", names, &spec.mics, &spec.nearest_m)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_echo_paths_create(&spec, reason), echo_paths_destroy, reason);
}

static void echo_paths_dealloc(PyObject *self)
{
    pp_unwrap(self, echo_paths_destroy);
}

static PyObject *echo_paths_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"places_m", "strength", "source_m", "mics_m", "scale",
                            "offset", "absorption_per_m", "delay", "gain", NULL};
    PyObject *objects[BUFFERS] = {NULL};
    double absorption_per_m = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOOdOO:process_into", names, &objects[PLACES],
                                     &objects[STRENGTH], &objects[SOURCE], &objects[MICS], &objects[SCALE],
                                     &objects[OFFSET], &absorption_per_m, &objects[DELAY], &objects[GAIN]) ||
        !pp_enter(self)) {
        return NULL;
    }
    pp_echo_paths *const core = pp_core(self);
    const Py_ssize_t mics = (Py_ssize_t)pp_echo_paths_mics(core);
    const pp_buffer_wish wishes[BUFFERS] = {
        [PLACES] = {"places_m", "float64", "d", 8, 8, 3, {PP_ANY, PP_ANY, 3}, false},
        [STRENGTH] = {"strength", "float32", "f", 4, 4, 2, {PP_AS(PLACES, 0), PP_AS(PLACES, 1)}, false},
        [SOURCE] = {"source_m", "float64", "d", 8, 8, 1, {3}, false},
        [MICS] = {"mics_m", "float64", "d", 8, 8, 2, {mics, 3}, false},
        [SCALE] = {"scale", "float64", "d", 8, 8, 2, {PP_AS(PLACES, 0), mics}, false},
        [OFFSET] = {"offset", "float64", "d", 8, 8, 2, {PP_AS(PLACES, 0), mics}, false},
        [DELAY] = {"delay", "float64", "d", 8, 8, 3, {PP_AS(PLACES, 0), PP_AS(PLACES, 1), mics}, true},
        [GAIN] = {"gain", "float32", "f", 4, 4, 3, {PP_AS(PLACES, 0), PP_AS(PLACES, 1), mics}, true},
    };
    Py_buffer views[BUFFERS] = {0};
    const bool accepted = pp_take_all(objects, wishes, BUFFERS, views);
    if (accepted) {
        const pp_echo_scene scene = {
            .places_m = views[PLACES].buf,
            .strength = views[STRENGTH].buf,
            .source_m = views[SOURCE].buf,
            .mics_m = views[MICS].buf,
            .scale = views[SCALE].buf,
            .offset = views[OFFSET].buf,
            .absorption_per_m = absorption_per_m,
            .times = (size_t)views[PLACES].shape[0],
            .points = (size_t)views[PLACES].shape[1],
        };
        Py_BEGIN_ALLOW_THREADS
        pp_echo_paths_execute(core, &scene, views[DELAY].buf, views[GAIN].buf);
        Py_END_ALLOW_THREADS
        pp_release_all(views, BUFFERS);
    }
    pp_leave(self);
    if (!accepted) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef echo_paths_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))echo_paths_process_into, METH_VARARGS | METH_KEYWORDS,
     echo_paths_process_into_doc},
    {0},
};

static PyType_Slot echo_paths_slots[] = {
    {Py_tp_new, echo_paths_new},         {Py_tp_dealloc, echo_paths_dealloc},
    {Py_tp_methods, echo_paths_methods}, {Py_tp_doc, (void *)echo_paths_doc},
    {0, NULL},
};

PyType_Spec pp_echo_paths_type = {
    .name = "appliance.dsp._core.EchoPaths",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = echo_paths_slots,
};
